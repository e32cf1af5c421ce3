/** The known names nearest to a misspelt one (edit distance, case ignored), best first; for "did you mean". */
export function nearest(wanted: string, known: Iterable<string>, most = 2): string[] {
  const target = wanted.toLowerCase();
  // Of a short word something must be left: every two-letter name is two edits away from every other.
  const limit = Math.min(target.length - 1, Math.max(2, Math.floor(target.length / 3)));
  return [...new Set(known)]
    .map((name) => ({ name, distance: editDistance(target, name.toLowerCase()) }))
    .filter(({ distance }) => distance <= limit)
    .sort((a, b) => a.distance - b.distance || (a.name < b.name ? -1 : 1))
    .slice(0, most)
    .map(({ name }) => name);
}

function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let row = 1; row <= a.length; row += 1) {
    const current = [row];
    for (let column = 1; column <= b.length; column += 1) {
      const replace = (previous[column - 1] ?? 0) + (a[row - 1] === b[column - 1] ? 0 : 1);
      current.push(Math.min(replace, (previous[column] ?? 0) + 1, (current[column - 1] ?? 0) + 1));
    }
    previous = current;
  }
  return previous[b.length] ?? 0;
}
