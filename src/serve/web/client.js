// The server as this page sees it: JSON questions, and answers that stream. What goes wrong becomes
// a Problem with words for a person and, where trying again may help, the seconds to wait.

export class Problem extends Error {
  // kind: unauthorized, busy, refused, server, unreachable or broken
  constructor(kind, message, retryAfter = null) {
    super(message);
    this.kind = kind;
    this.retryAfter = retryAfter;
  }
}

function headers(key, more = {}) {
  return key ? {...more, Authorization: `Bearer ${key}`} : more;
}

// `path` is relative to the page, so that a proxy may put the server below a prefix.
async function ask(path, options) {
  let response;
  try {
    response = await fetch(path, {cache: 'no-store', credentials: 'omit', ...options});
  } catch (error) {
    if (error.name === 'AbortError') throw error;
    throw new Problem('unreachable', 'The server does not answer. Is it running?', 2);
  }
  if (!response.ok) throw await problemOf(response);
  return response;
}

async function problemOf(response) {
  let message = '';
  try {
    message = (await response.json()).error.message;
  } catch {
    message = response.statusText;
  }
  const seconds = Number(response.headers.get('Retry-After'));
  const retryAfter = Number.isFinite(seconds) && seconds > 0 ? Math.min(seconds, 600) : null;
  const {status} = response;
  if (status === 401 || status === 403) {
    return new Problem('unauthorized', `The server asks for an API key (${status}): ${message}`);
  }
  if (status === 429 || status === 503) {
    return new Problem('busy', `The server takes no more requests just now (${status}): ${message}`, retryAfter ?? 1);
  }
  const kind = status >= 500 ? 'server' : 'refused';
  return new Problem(kind, `The server refused (${status}): ${message}`, retryAfter);
}

export async function getJson(path, {key, signal} = {}) {
  const response = await ask(path, {headers: headers(key), signal});
  try {
    return await response.json();
  } catch (error) {
    if (error.name === 'AbortError') throw error;
    throw new Problem('broken', 'The answer was cut short.', 1);
  }
}

// Splits a byte stream of server-sent events into their data, whatever the line ends and however
// the bytes were cut.
export class EventSplitter {
  #rest = '';
  #decoder = new TextDecoder();

  // The data of each event that is complete with these bytes.
  push(bytes) {
    this.#rest += this.#decoder.decode(bytes, {stream: true}).replaceAll('\r', '');
    const events = this.#rest.split('\n\n');
    this.#rest = events.pop();
    return events.map((event) => event.split('\n')
        .filter((line) => line.startsWith('data:'))
        .map((line) => line.slice(line[5] === ' ' ? 6 : 5)).join('\n'))
        .filter((data) => data !== '');
  }
}

// Yields the chunks of a streamed chat completion. Ends only after the server said that it is done;
// everything else throws a Problem, or AbortError when `signal` was raised.
export async function* streamChat(body, {key, signal}) {
  const response = await ask('v1/chat/completions', {
    method: 'POST',
    headers: headers(key, {'Content-Type': 'application/json'}),
    body: JSON.stringify(body),
    signal,
  });
  const reader = response.body.getReader();
  const splitter = new EventSplitter();
  for (;;) {
    let read;
    try {
      read = await reader.read();
    } catch (error) {
      if (error.name === 'AbortError') throw error;
      throw new Problem('broken', 'The connection broke off in the middle of the answer.', 1);
    }
    if (read.done) throw new Problem('broken', 'The answer ended early: the connection was closed.', 1);
    for (const data of splitter.push(read.value)) {
      if (data === '[DONE]') return;
      let chunk;
      try {
        chunk = JSON.parse(data);
      } catch {
        throw new Problem('broken', 'The server sent an event that is not JSON.', 1);
      }
      if (chunk.error) throw new Problem('server', `The server failed: ${chunk.error.message}`, 1);
      yield chunk;
    }
  }
}
