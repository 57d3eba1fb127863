/** Requests of the page to the host that it came from. */

/** The server wants a key, or another one than it was given. */
export class KeyNeeded extends Error {}

/** Return an address below the page's own, without a password that it may hold: fetch refuses that. */
export function below(path: string): string {
  return new URL(path, location.origin + location.pathname).href;
}

/** Ask the server as the page; it then does not make the browser ask for a key. */
export async function request(path: string, init: RequestInit = {}): Promise<Response> {
  const headers = { ...(init.headers as Record<string, string> | undefined), "X-Fieldguide-Page": "1" };
  const response = await fetch(below(path), { ...init, headers });
  if (response.status === 401) throw new KeyNeeded("The server wants a key.");
  return response;
}

/** Hand in the key, for which the server gives a cookie; return whether it is right. */
export async function openSession(key: string): Promise<boolean> {
  const response = await fetch(below("v1/session"), { method: "POST", headers: { "X-API-Key": key, "X-Fieldguide-Page": "1" } });
  return response.ok;
}
