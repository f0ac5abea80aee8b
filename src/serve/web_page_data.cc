#include "serve/web_page.h"

namespace octavo::serve {

std::string_view web_page() {
  return R"html(<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Octavo</title>
<style>
:root { color-scheme: light dark; --line: #8886; }
body { font: 16px/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 46rem; padding: 1rem;
       min-height: 100vh; box-sizing: border-box; display: flex; flex-direction: column; }
header { display: flex; align-items: baseline; gap: 1rem; flex-wrap: wrap; }
h1 { font-size: 1.2rem; margin: 0; }
#log { flex: 1; margin: 1rem 0; }
article { border-left: 3px solid var(--line); margin: 0 0 1rem; padding: 0 0 0 .8rem; }
article.user { border-color: #2a7ae2; }
article h2 { font-size: .8rem; font-weight: 600; margin: 0; opacity: .75; }
article p { margin: 0; white-space: pre-wrap; overflow-wrap: anywhere; }
form { position: sticky; bottom: 0; background: Canvas; padding: .5rem 0 1rem; }
textarea { width: 100%; box-sizing: border-box; font: inherit; padding: .5rem; }
.row { display: flex; gap: .5rem; margin-top: .5rem; flex-wrap: wrap; align-items: center; }
button, input { font: inherit; padding: .3rem .8rem; }
input { width: 5rem; padding: .3rem; }
#key { width: 9rem; }
:focus-visible { outline: 2px solid #2a7ae2; outline-offset: 2px; }
</style>
</head>
<body>
<header><h1>Octavo</h1><span id="model"></span></header>
<main id="log" role="log" aria-live="polite" aria-label="Conversation"></main>
<form id="form">
<label for="text">Message</label>
<textarea id="text" rows="3" required autofocus></textarea>
<div class="row">
<button id="send">Send</button>
<button id="stop" type="button" disabled>Stop</button>
<button id="reset" type="button">New chat</button>
<label>Temperature <input id="temperature" type="number" min="0" max="2" step="0.1" value="0.7"></label>
<label>API key <input id="key" type="password" autocomplete="off"></label>
</div>
<p id="status" role="status"></p>
</form>
<script>
'use strict';
const by = (id) => document.getElementById(id);
let messages = [], running = null;
const headers = () => {
  const h = {'Content-Type': 'application/json'};
  if (by('key').value) h.Authorization = 'Bearer ' + by('key').value;
  return h;
};
function show(role, text) {
  const article = document.createElement('article');
  article.className = role;
  const name = document.createElement('h2');
  name.textContent = role === 'user' ? 'You' : 'Model';
  const body = document.createElement('p');
  body.textContent = text;
  article.append(name, body);
  by('log').append(article);
  return body;
}
async function readEvents(response, each) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  for (;;) {
    const {value, done} = await reader.read();
    if (done) return;
    const events = (rest + value).split('\n\n');
    rest = events.pop();
    for (const event of events) {
      if (event.startsWith('data: ') && event !== 'data: [DONE]') each(JSON.parse(event.slice(6)));
    }
  }
}
async function ask() {
  const body = show('assistant', '');
  running = new AbortController();
  by('send').disabled = true;
  by('stop').disabled = false;
  let answer = '', problem = '';
  try {
    const response = await fetch('/v1/chat/completions', {
      method: 'POST', headers: headers(), signal: running.signal,
      body: JSON.stringify({messages, stream: true, temperature: Number(by('temperature').value)})});
    if (!response.ok) throw new Error((await response.json()).error.message);
    await readEvents(response, (event) => {
      if (event.error) { problem = event.error.message; return; }
      if (!event.choices.length) return;
      answer += event.choices[0].delta.content || '';
      body.textContent = answer;
      scrollTo(0, document.body.scrollHeight);
    });
  } catch (error) {
    problem = error.name === 'AbortError' ? 'Stopped.' : error.message;
  }
  if (answer) messages.push({role: 'assistant', content: answer});
  by('status').textContent = problem;
  by('send').disabled = false;
  by('stop').disabled = true;
  running = null;
  by('text').focus();
}
by('form').addEventListener('submit', (event) => {
  event.preventDefault();
  const text = by('text').value.trim();
  if (!text || running) return;
  by('text').value = '';
  by('status').textContent = '';
  messages.push({role: 'user', content: text});
  show('user', text);
  ask();
});
by('text').addEventListener('keydown', (event) => {
  if (event.key === 'Enter' && !event.shiftKey && !event.isComposing) {
    event.preventDefault();
    by('form').requestSubmit();
  }
});
by('stop').addEventListener('click', () => running && running.abort());
by('reset').addEventListener('click', () => {
  if (running) running.abort();
  messages = [];
  by('log').replaceChildren();
  by('text').focus();
});
fetch('/v1/models', {headers: headers()}).then((r) => r.json())
    .then((list) => { by('model').textContent = list.data[0].id; }).catch(() => {});
</script>
</body>
</html>
)html";
}

}  // namespace octavo::serve
