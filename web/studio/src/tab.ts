/** Return the name of this tab, by which its undo is its own; it outlives a reload. */
export function tabId(storage: Pick<Storage, "getItem" | "setItem">): string {
  const key = "fieldguide-tab";
  const known = storage.getItem(key);
  if (known !== null && /^[\w-]{1,64}$/.test(known)) return known;
  const made = Array.from(crypto.getRandomValues(new Uint8Array(9)), (byte) => byte.toString(36).padStart(2, "0")).join("");
  storage.setItem(key, made);
  return made;
}
