import { defaultFilters } from '../translate/releases.ts';
import {
  type Draft,
  type LintInput,
  listOf,
  optionsOf,
  type Rule,
  removal,
  replaceValue,
} from './config-view.ts';

/** Filters of the scheduler, and Placement's settings for it. */
export const schedulerRules: Rule = (input) => [...filters(input), ...placement(input)];

function filters({ view, release }: LintInput): readonly Draft[] {
  const drafts: Draft[] = [];
  const available = optionsOf(view, 'filter_scheduler', 'available_filters');
  for (const option of optionsOf(view, 'filter_scheduler', 'enabled_filters')) {
    const given = listOf(option);
    const missing = defaultFilters(release).filter((name) => !given.includes(name));
    if (missing.length === 0) continue;
    const whole = [
      ...defaultFilters(release),
      ...given.filter((name) => !defaultFilters(release).includes(name)),
    ];
    const ansible = given.includes('AggregateIoOpsFilter');
    drafts.push({
      rule: 'nova.filters-overwritten',
      severity: ansible ? 'warning' : 'error',
      at: option.at.key,
      message: `enabled_filters takes away ${missing.join(', ')}`,
      why: 'the list replaces the default: servers go to hosts that are down, to the wrong architecture, and server groups are ignored',
      remedy: `Write the defaults of Nova ${release.nova} as well.`,
      fix: replaceValue(option, whole.join(',')),
    });
  }
  const [only, ...more] = available;
  if (only !== undefined && more.length === 0 && only.value === 'nova.scheduler.filters.all_filters') {
    drafts.push({
      rule: 'nova.available-filters-redundant',
      severity: 'info',
      at: only.at.key,
      message: 'available_filters says its default',
      why: 'it is needed only next to filters of other projects',
      remedy: 'Take it out.',
      fix: removal(only),
    });
  } else if (
    only !== undefined &&
    !available.some(({ value }) => value === 'nova.scheduler.filters.all_filters')
  ) {
    drafts.push({
      rule: 'nova.available-filters-incomplete',
      severity: 'error',
      at: only.at.key,
      message: 'available_filters takes away Nova’s own filters',
      why: 'nova-scheduler ends with SchedulerHostFilterNotFound',
      remedy: 'Add a line available_filters = nova.scheduler.filters.all_filters.',
    });
  }
  return drafts;
}

/** Settings of placement.conf that belong together. */
function placement({ view }: LintInput): readonly Draft[] {
  const drafts: Draft[] = [];
  for (const option of optionsOf(view, 'placement', 'optimize_for_wide_provider_trees')) {
    drafts.push({
      rule: 'placement.option-in-wrong-section',
      severity: 'error',
      at: option.at.key,
      message: 'optimize_for_wide_provider_trees belongs to [workarounds]',
      why: 'Placement ignores it here',
      remedy: 'Move it to [workarounds].',
    });
  }
  const [limit] = optionsOf(view, 'placement', 'max_allocation_candidates');
  const strategy = optionsOf(view, 'placement', 'allocation_candidates_generation_strategy');
  if (
    limit !== undefined &&
    limit.value !== '-1' &&
    !strategy.some(({ value }) => value === 'breadth-first')
  ) {
    drafts.push({
      rule: 'placement.limit-without-breadth-first',
      severity: 'warning',
      at: limit.at.key,
      message: 'candidates are limited, but collected depth first',
      why: 'all candidates then come from the first hosts, and a full one leaves none',
      remedy: 'Add allocation_candidates_generation_strategy = breadth-first.',
    });
  }
  return drafts;
}
