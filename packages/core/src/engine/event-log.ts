import type { OperationEvent } from '../spec/v1/events.ts';

/** Events in memory: each iterator gets all of them from the first, however late it starts. */
export interface EventLog {
  push(event: OperationEvent): void;
  end(): void;
  iterate(): AsyncIterator<OperationEvent>;
}

export function createEventLog(): EventLog {
  const events: OperationEvent[] = [];
  let ended = false;
  let wake = () => {};
  let changed = nextChange();

  function nextChange(): Promise<void> {
    return new Promise((resolve) => {
      wake = resolve;
    });
  }
  function announce(): void {
    wake();
    changed = nextChange();
  }

  return {
    push(event) {
      events.push(event);
      announce();
    },
    end() {
      ended = true;
      announce();
    },
    iterate() {
      let position = 0;
      let stopped = false;
      return {
        async next() {
          while (!stopped) {
            const value = events[position];
            if (value) {
              position += 1;
              return { done: false, value };
            }
            if (ended) break;
            await changed;
          }
          return { done: true, value: undefined };
        },
        async return() {
          stopped = true;
          return { done: true, value: undefined };
        },
      };
    },
  };
}
