// What the service says: of its model once, of a patient as often as one is entered.

export let model;
let token = "";

export class TokenNeeded extends Error {}

export function useToken(text) { token = text; }
export async function loadModel() { model = await call("v1/model"); }
export async function askRisk(values) { return (await call("v1/risk", { values })).answers[0]; }

async function call(path, body) {
  const headers = body ? { "content-type": "application/json" } : {};
  if (token) headers.authorization = `Bearer ${token}`;
  const answer = await fetch(path, { method: body ? "POST" : "GET", headers, body: body && JSON.stringify(body) });
  if (answer.status === 401) throw new TokenNeeded("The service asks for a token.");
  const content = await answer.json();
  if (!answer.ok) {
    const detail = content.detail;
    throw new Error(typeof detail === "string" ? detail : "The service did not understand the request.");
  }
  return content;
}
