// Requests to the server.

/** A Refusal is an error response. Its message is the server's. */
export class Refusal extends Error {}

export const ask = async (path, options) => {
  const response = await fetch('api/' + path, options);
  if (response.ok && !response.redirected) return response;
  const text = response.redirected ? 'You are logged out. Reload the page.'
    : response.headers.get('Content-Type')?.startsWith('application/json') ? (await response.json()).error : await response.text();
  const error = new Refusal(text.trim() || `The server of the page responded with status ${response.status}.`);
  error.status = response.status;
  throw error;
};

/** post requests an action, and returns the server's message. */
export const post = async (path, form) => {
  const response = await ask(path, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(form) });
  return (await response.json()).message;
};

/** failure is the message for a failed action. */
export const failure = (error) => error instanceof Refusal ? error.message : 'The connection was lost. The action may not have run.';

export const itemPath = (id, rest = '') => `items/${encodeURIComponent(id)}${rest}`;

/** filled makes the query of a URL from the values that are not empty. */
export const filled = (form) => new URLSearchParams(Object.entries(form).filter(([, value]) => value));

/** filterNames are the filters, which the URL of the page and the requests contain. */
export const filterNames = ['vendor', 'endpoint', 'type', 'verdict', 'text'];

/** filtersOf returns the filters of a place. */
export const filtersOf = (place) => Object.fromEntries(filterNames.map((name) => [name, place[name] ?? '']));
