// What the engine view remembers between two looks: counters become rates, histograms become
// percentiles of the time between.

export const kSeconds = 120;  // of history

// Values by time, as far back as kSeconds.
export class Series {
  constructor(name) {
    this.name = name;
    this.points = [];  // {time, value}; value NaN: nothing was measured then
  }

  add(time, value) {
    this.points.push({time, value});
    const oldest = time - kSeconds - 5;
    while (this.points.length && this.points[0].time < oldest) this.points.shift();
  }

  get last() { return this.points.at(-1)?.value ?? NaN; }

  // The last value that was measured.
  get known() { return this.points.findLast((point) => Number.isFinite(point.value))?.value ?? NaN; }
}

// The share `p` of values counted in `counts` (one a bound and one above) lies below the answer;
// within a bucket they are taken to lie evenly.
export function percentile(bounds, counts, p) {
  const total = counts.reduce((sum, count) => sum + count, 0);
  if (total === 0) return NaN;
  let below = 0;
  for (let i = 0; i < counts.length; ++i) {
    if (below + counts[i] >= p * total) {
      const low = i ? bounds[i - 1] : 0;
      const high = bounds[i] ?? low;
      return low + (high - low) * (counts[i] ? (p * total - below) / counts[i] : 0);
    }
    below += counts[i];
  }
  return bounds.at(-1);
}

export const difference = (now, before) => now.map((count, i) => Math.max(0, count - (before?.[i] ?? 0)));
