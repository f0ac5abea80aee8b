// The live view of the engine. It asks the server once a second while it is on the screen, and not
// at all otherwise.

import {BlockPicture} from './blocks.js';
import {getJson} from './client.js';
import {byId, element} from './element.js';
import {LinePlot, shortNumber, shortTime, StepPlot} from './plots.js';
import {difference, percentile, Series} from './series.js';
import {apiKey} from './store.js';
import {Timeline} from './timeline.js';

const kPeriod = 1000;  // milliseconds
const kSlowest = 15000;
const kWindow = 10;  // looks that a percentile and a hit rate span

const percent = (share) => Number.isFinite(share) ? `${shortNumber(100 * share)} %` : '–';

// One model of the server: its history and its figures.
class ModelPanel {
  constructor(name) {
    this.name = name;
    this.looks = [];  // the last kWindow answers
    this.steps = [];
    const series = (...names) => names.map((one) => new Series(one));
    this.rate = series('generated', 'prompt');
    this.queue = series('running', 'waiting');
    this.first = series('median', '95 %');
    this.next = series('median', '95 %');
    this.cache = series('in use', 'prefix hits');
    this.plots = [
      new LinePlot('Tokens per second', this.rate),
      new LinePlot('Requests', this.queue),
      new LinePlot('Time to first token', this.first, {format: shortTime}),
      new LinePlot('Time between tokens', this.next, {format: shortTime}),
      new LinePlot('Cache', this.cache, {format: percent, most: 1}),
    ];
    this.stepPlot = new StepPlot('Rows of each step');
    this.blocks = new BlockPicture();
    this.timeline = new Timeline();
    this.tiles = element('dl', {class: 'tiles'});
    this.tenants = element('figure', {class: 'whole'});
    this.node = element('section', {'aria-label': `Engine of ${name}`}, element('h3', {}, name), this.tiles,
        element('div', {class: 'panels'}, this.blocks.node, this.stepPlot.node, ...this.plots.map((plot) => plot.node)),
        this.timeline.node, this.tenants);
  }

  update(model) {
    this.looks.push(model);
    if (this.looks.length > kWindow + 1) this.looks.shift();
    // A server that began anew counts from zero again.
    if (model.stats.steps < (this.looks.at(-2)?.stats.steps ?? 0)) this.looks = [model];
    const before = this.looks.at(-2), oldest = this.looks[0];
    this.#history(model, before, oldest);
    this.#addSteps(model.steps);
    const now = model.time_s;
    for (const plot of this.plots) plot.draw(now);
    this.stepPlot.draw(this.steps);
    this.blocks.draw(model.blocks, model.limits.block_tokens);
    this.timeline.update(model);
    this.#showTiles(model);
    this.#showTenants(model.tenants);
  }

  #history(model, before, oldest) {
    const now = model.time_s, {stats} = model;
    const gained = (name, from) => from ? stats[name] - from.stats[name] : 0;
    if (before && now > before.time_s) {
      const elapsed = now - before.time_s;
      this.rate[0].add(now, gained('generation_tokens', before) / elapsed);
      this.rate[1].add(now, gained('prompt_tokens', before) / elapsed);
    }
    this.queue[0].add(now, stats.running);
    this.queue[1].add(now, stats.waiting);
    const asked = gained('prefix_queries_tokens', oldest);
    this.cache[0].add(now, model.blocks.total ? (model.blocks.used + model.blocks.shared) / model.blocks.total : 0);
    this.cache[1].add(now, asked > 0 ? gained('prefix_hits_tokens', oldest) / asked : NaN);
    if (!before) return;
    for (const [series, name] of [[this.first, 'first_token'], [this.next, 'between_tokens']]) {
      const counts = difference(model.latency[name], oldest.latency[name]);
      series[0].add(now, percentile(model.latency.bounds_s, counts, 0.5));
      series[1].add(now, percentile(model.latency.bounds_s, counts, 0.95));
    }
  }

  #addSteps(steps) {
    const latest = this.steps.at(-1)?.begin_s ?? -1;
    if (steps.length && steps.at(-1).begin_s < latest) this.steps = [];
    this.steps.push(...steps.filter((step) => step.begin_s > latest));
    this.steps = this.steps.slice(-512);
  }

  #showTiles({stats, limits, blocks, stalled_s: stalled}) {
    const hits = stats.prefix_queries_tokens ? stats.prefix_hits_tokens / stats.prefix_queries_tokens : NaN;
    const rows = [
      ['running', `${stats.running} of ${shortNumber(limits.max_num_seqs)}`],
      ['waiting', shortNumber(stats.waiting)],
      ['tokens/s', shortNumber(this.rate[0].last)],
      ['first token', shortTime(this.first[0].known)],
      ['between tokens', shortTime(this.next[0].known)],
      ['cache in use', percent(blocks.total ? (blocks.used + blocks.shared) / blocks.total : NaN)],
      ['prefix hits', percent(hits)],
      ['preemptions', shortNumber(stats.preemptions)],
      ['steps', shortNumber(stats.steps)],
      ['generated', `${shortNumber(stats.generation_tokens)} tokens`],
    ];
    if (stalled > 2) rows.push(['no step for', shortTime(stalled)]);
    this.tiles.replaceChildren(...rows.map(([name, value]) =>
      element('div', {}, element('dt', {}, name), element('dd', {}, value))));
  }

  #showTenants(tenants) {
    this.tenants.hidden = tenants.length === 0;
    const heads = ['Key', 'Running', 'Waiting', 'Requests', 'Prompt tokens', 'Cached', 'Generated'];
    const row = (one) => [one.name || '(none)', one.running, one.waiting, one.requests, one.prompt_tokens,
                          one.cached_tokens, one.generation_tokens];
    this.tenants.replaceChildren(element('figcaption', {}, 'Use by key'),
        element('div', {class: 'wide', tabindex: '0', role: 'region', 'aria-label': 'Use by key'}, element('table', {},
            element('thead', {}, element('tr', {}, ...heads.map((head, i) => element('th', {scope: 'col', class: i && 'n'}, head)))),
            element('tbody', {}, ...tenants.map((one) => element('tr', {}, ...row(one).map((cell, i) =>
              element('td', {class: i && 'n'}, String(cell)))))))));
  }
}

export class EngineView {
  #visible = false;
  #timer = 0;
  #asking = null;
  #wait = kPeriod;

  constructor() {
    this.body = byId('engine-body');
    this.panels = new Map();
  }

  setVisible(visible) {
    const now = visible && document.visibilityState === 'visible';
    if (now === this.#visible) return;
    this.#visible = now;
    clearTimeout(this.#timer);
    this.#asking?.abort();
    this.#asking = null;
    if (now) this.poll();
  }

  async poll() {
    if (!this.#visible || this.#asking) return;
    clearTimeout(this.#timer);
    const asking = this.#asking = new AbortController();
    try {
      this.#show(await getJson('engine/state', {key: apiKey.get(), signal: asking.signal}));
      this.#wait = kPeriod;
    } catch (problem) {
      if (problem.name === 'AbortError') return;
      if (!(problem.kind)) throw problem;
      byId('engine-problem').textContent = problem.message;
      byId('engine-problem').hidden = false;
      this.#wait = Math.min(2 * this.#wait, kSlowest);
    } finally {
      if (this.#asking === asking) {
        this.#asking = null;
        if (this.#visible) this.#timer = setTimeout(() => this.poll(), this.#wait);
      }
    }
  }

  #show({models}) {
    byId('engine-problem').hidden = true;
    for (const model of models) {
      if (!this.panels.has(model.name)) {
        const panel = new ModelPanel(model.name);
        this.panels.set(model.name, panel);
        this.body.append(panel.node);
      }
      this.panels.get(model.name).update(model);
    }
    const names = new Set(models.map((model) => model.name));
    for (const [name, panel] of this.panels) {
      if (names.has(name)) continue;
      panel.node.remove();
      this.panels.delete(name);
    }
  }
}
