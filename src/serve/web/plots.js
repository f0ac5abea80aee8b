// Lines over the last two minutes, drawn as the reports of `octavo quantize` draw theirs: the same
// colours, and dashes beside them.

import {element, svgElement} from './element.js';
import {kSeconds} from './series.js';

const kHeight = 150, kLeft = 52, kRight = 10, kTop = 8, kBottom = 22;

export function shortNumber(value) {
  const size = Math.abs(value);
  if (!Number.isFinite(value)) return '–';
  if (size >= 1e9) return `${+(value / 1e9).toPrecision(3)}G`;
  if (size >= 1e6) return `${+(value / 1e6).toPrecision(3)}M`;
  if (size >= 1e4) return `${+(value / 1e3).toPrecision(3)}k`;
  return String(+value.toPrecision(3));
}

export const shortTime = (s) => !Number.isFinite(s) ? '–' : s >= 1 ? `${shortNumber(s)} s` : `${shortNumber(1000 * s)} ms`;

// 1, 2 or 5 times a power of ten, for at most four ticks.
function niceStep(span) {
  const raw = span / 4, power = 10 ** Math.floor(Math.log10(raw));
  return [1, 2, 5, 10].map((factor) => factor * power).find((step) => step >= raw * 0.999);
}

// The line of a series with a gap where nothing was measured.
function pathOf(points, x, y) {
  let path = '', down = false;
  points.forEach(({time, value}, i) => {
    if (!Number.isFinite(value)) {
      down = false;
      return;
    }
    const place = `${x(time).toFixed(1)} ${y(value).toFixed(1)}`;
    const alone = !down && !Number.isFinite(points[i + 1]?.value);
    path += `${down ? 'L' : 'M'}${place}${alone ? 'h0.01' : ''}`;
    down = true;
  });
  return path;
}

export class LinePlot {
  // `format` writes a value with its unit; `most`: a fixed top of the axis.
  constructor(title, series, {format = shortNumber, most = 0} = {}) {
    Object.assign(this, {title, series, format, most});
    this.svg = svgElement('svg', {role: 'img', class: 'plot'});
    this.legend = element('div', {class: 'legend'});
    this.node = element('figure', {}, element('figcaption', {}, title), this.legend, this.svg);
  }

  // `now`: the time at the right edge.
  draw(now) {
    const width = Math.max(220, this.svg.getBoundingClientRect().width || 320);
    const inside = {w: width - kLeft - kRight, h: kHeight - kTop - kBottom};
    const values = this.series.flatMap((one) => one.points.map((point) => point.value)).filter(Number.isFinite);
    const top = this.most || Math.max(0, ...values) || 1;
    const step = niceStep(top);
    const high = this.most || step * Math.ceil(top / step - 1e-9);
    const x = (time) => kLeft + inside.w * (1 - (now - time) / kSeconds);
    const y = (value) => kTop + inside.h * (1 - value / high);
    const parts = [];
    for (let at = 0; at <= high * 1.001; at += step) {
      parts.push(svgElement('line', {class: 'axis', x1: kLeft, x2: width - kRight, y1: y(at), y2: y(at)}));
      parts.push(svgElement('text', {x: kLeft - 6, y: y(at) + 4, 'text-anchor': 'end'}, this.format(at)));
    }
    for (const [ago, anchor] of [[kSeconds, 'start'], [kSeconds / 2, 'middle'], [0, 'end']]) {
      parts.push(svgElement('text', {x: x(now - ago), y: kHeight - 4, 'text-anchor': anchor}, ago ? `−${ago} s` : 'now'));
    }
    this.series.forEach((one, i) => {
      const seen = one.points.filter((point) => point.time >= now - kSeconds);
      parts.push(svgElement('path', {class: `line s${i}`, d: pathOf(seen, x, y)}));
    });
    this.svg.setAttribute('viewBox', `0 0 ${width} ${kHeight}`);
    this.svg.replaceChildren(...parts);
    this.legend.replaceChildren(...this.series.map((one, i) => element('span', {class: `key k${i}`},
        `${one.name} `, element('b', {}, this.format(one.known)))));
    this.svg.setAttribute('aria-label', `${this.title}: ${this.series.map((one) => `${one.name} ${this.format(one.known)}`).join(', ')}`);
  }
}

// A bar for each of the engine's latest steps: the rows of its batch, and which of them were one a
// sequence.
export class StepPlot {
  constructor(title) {
    this.title = title;
    this.svg = svgElement('svg', {role: 'img', class: 'plot'});
    this.legend = element('div', {class: 'legend'});
    this.node = element('figure', {}, element('figcaption', {}, title), this.legend, this.svg);
  }

  // Steps as {rows, requests, duration_s, preempted}, oldest first.
  draw(steps) {
    const width = Math.max(220, this.svg.getBoundingClientRect().width || 320);
    const bar = 4, most = Math.floor((width - kLeft - kRight) / bar);
    const shown = steps.slice(-most);
    const top = Math.max(1, ...shown.map((step) => step.rows));
    const scale = niceStep(top), high = scale * Math.ceil(top / scale - 1e-9);
    const y = (value) => kTop + (kHeight - kTop - kBottom) * (1 - value / high);
    const parts = [];
    for (let at = 0; at <= high * 1.001; at += scale) {
      parts.push(svgElement('line', {class: 'axis', x1: kLeft, x2: width - kRight, y1: y(at), y2: y(at)}));
      parts.push(svgElement('text', {x: kLeft - 6, y: y(at) + 4, 'text-anchor': 'end'}, shortNumber(at)));
    }
    shown.forEach((step, i) => {
      const x = width - kRight - bar * (shown.length - i);
      const each = Math.min(step.requests, step.rows);
      const title = svgElement('title', {}, `${step.rows} rows of ${step.requests} requests in ${shortTime(step.duration_s)}`);
      parts.push(svgElement('g', {}, title,
          svgElement('rect', {class: 's1', x, width: bar - 1, y: y(step.rows), height: y(each) - y(step.rows)}),
          svgElement('rect', {class: 's0', x, width: bar - 1, y: y(each), height: y(0) - y(each)})));
    });
    parts.push(svgElement('text', {x: width - kRight, y: kHeight - 4, 'text-anchor': 'end'}, 'latest step'));
    this.svg.setAttribute('viewBox', `0 0 ${width} ${kHeight}`);
    this.svg.replaceChildren(...parts);
    const last = shown.at(-1);
    this.legend.replaceChildren(
        element('span', {class: 'key k0'}, 'requests ', element('b', {}, last ? shortNumber(last.requests) : '–')),
        element('span', {class: 'key k1'}, 'further rows of prompts ', element('b', {}, last ? shortNumber(Math.max(0, last.rows - last.requests)) : '–')),
        element('span', {class: 'key'}, 'time ', element('b', {}, shortTime(last?.duration_s ?? NaN))));
    this.svg.setAttribute('aria-label', last ? `${this.title}: the last of ${shown.length} steps had ${last.rows} rows of ${last.requests} requests`
      : `${this.title}: none yet`);
  }
}
