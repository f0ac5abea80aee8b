// The page as a whole: which view is shown, which model is asked, the key and the colours.

import {Chat} from './chat.js';
import {getJson} from './client.js';
import {byId, element} from './element.js';
import {EngineView} from './engine.js';
import {Settings} from './settings.js';
import {apiKey} from './store.js';

const kViews = ['chat', 'engine'];
const key = byId('key');

function showKeyNeeded() {
  byId('settings-panel').open = true;
  key.setAttribute('aria-invalid', 'true');
  key.focus();
}

const settings = new Settings();
const chat = new Chat({settings, model: () => byId('model').value, onUnauthorized: showKeyNeeded});
const engine = new EngineView();

function showView() {
  const name = location.hash.slice(1);
  const view = kViews.includes(name) ? name : 'chat';
  for (const one of kViews) {
    byId(`${one}-view`).hidden = one !== view;
    const link = byId(`to-${one}`);
    if (one === view) link.setAttribute('aria-current', 'page');
    else link.removeAttribute('aria-current');
  }
  document.title = view === 'engine' ? 'Engine – Octavo' : 'Octavo';
  engine.setVisible(view === 'engine');
}

// The models that the server offers now; the choice stays where it can.
async function listModels() {
  const select = byId('model');
  try {
    const {data} = await getJson('v1/models', {key: apiKey.get()});
    const chosen = select.value;
    select.replaceChildren(...data.map((one) => element('option', {value: one.id}, one.id)));
    if (data.some((one) => one.id === chosen)) select.value = chosen;
    byId('model-note').textContent = '';
    key.removeAttribute('aria-invalid');
    return true;
  } catch (problem) {
    byId('model-note').textContent = problem.message;
    if (problem.kind === 'unauthorized') showKeyNeeded();
    return problem.kind === 'unauthorized';
  }
}

// While a server starts it says 503; its models are asked for until it answers.
async function listModelsUntilThere() {
  for (let wait = 1; !await listModels(); wait = Math.min(2 * wait, 15)) {
    await new Promise((resolve) => { setTimeout(resolve, 1000 * wait); });
  }
}

key.value = apiKey.get();
key.addEventListener('change', () => {
  apiKey.set(key.value.trim());
  listModelsUntilThere();
  engine.poll();
});
// On a wide screen the panel is a column of its own, on a narrow one it opens on demand.
byId('settings-panel').open = matchMedia('(min-width: 60rem)').matches;
window.addEventListener('hashchange', showView);
document.addEventListener('visibilitychange', showView);
showView();
listModelsUntilThere();
if (!byId('chat-view').hidden) byId('text').focus();
// For a console: what the page is made of.
window.octavo = {chat, engine};
