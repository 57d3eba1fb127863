import { describe, expect, it } from "vitest";

import { type Outcome, type Picture, Problem, type Wanted } from "./api.ts";
import { marked, Outbox, type Server } from "./outbox.ts";

const picture = (sha256: string, more: Partial<Picture> = {}): Picture => ({
  sha256, class_name: "rose", labels: ["rose"], state: "suspect", decision: "", revision: 0, split: "", sources: [], width: 1, height: 1,
  format: "jpg", bytes: 1, readable: true, group: sha256, verdicts: [], ...more,
});

const outcome = (more: Partial<Outcome> = {}): Outcome => ({
  decided_at: 1, saved: [], stale: [], refused: [], can_undo: true, can_redo: false, ...more,
});

/** A server whose answers are given by hand, one request after the other. */
class FakeServer implements Server {
  readonly requests: { view: string; decisions: Wanted[] }[] = [];
  #answers: { give: (outcome: Outcome) => void; fail: (error: Error) => void }[] = [];
  #waiting: (() => void)[] = [];

  decide = (view: string, decisions: Wanted[]) => {
    this.requests.push({ view, decisions });
    return this.#later();
  };
  undo = () => this.#later();
  redo = () => this.#later();

  #later() {
    return new Promise<Outcome>((give, fail) => {
      this.#answers.push({ give, fail });
      this.#waiting.shift()?.();
    });
  }

  async #next() {
    if (this.#answers.length === 0) await new Promise<void>((go) => this.#waiting.push(go));
    const answer = this.#answers.shift();
    if (!answer) throw new Error("no request");
    return answer;
  }

  async answer(result: Outcome) {
    (await this.#next()).give(result);
    await settle();
  }

  async fail(error: Error) {
    (await this.#next()).fail(error);
    await settle();
  }
}

const settle = () => new Promise((go) => setTimeout(go, 0));
const saved = (sha256: string, revision: number, more: Partial<Picture> = {}) =>
  picture(sha256, { decision: "drop", state: "rejected", revision, ...more });

function start() {
  const server = new FakeServer();
  return { server, outbox: new Outbox(server, () => Promise.resolve()) };
}

describe("what was decided", () => {
  it("shows at once and counts as saved only when the server says so", async () => {
    const { server, outbox } = start();
    outbox.decide([picture("a")], "drop", "", "worst");
    expect(marked(picture("a"), outbox.snapshot().marks)).toMatchObject({ decision: "drop", state: "rejected", saving: true });
    expect(outbox.snapshot().waiting).toBe(1);
    await server.answer(outcome({ saved: [saved("a", 7)] }));
    expect(outbox.snapshot().waiting).toBe(0);
    expect(marked(picture("a"), outbox.snapshot().marks)).toMatchObject({ decision: "drop", revision: 7, saving: false });
    expect(server.requests).toEqual([{ view: "worst", decisions: [{ sha256: "a", decision: "drop", revision: 0 }] }]);
  });

  it("is sent in order, and the second decision on a picture names the revision of the first", async () => {
    const { server, outbox } = start();
    outbox.decide([picture("a")], "drop", "", "worst");
    outbox.decide([picture("a")], "relabel", "tulip", "worst");
    expect(server.requests).toHaveLength(1);
    await server.answer(outcome({ saved: [saved("a", 7)] }));
    expect(server.requests[1]?.decisions).toEqual([{ sha256: "a", decision: "relabel", class_name: "tulip", revision: 7 }]);
  });

  it("is tried again until the server answers", async () => {
    const { server, outbox } = start();
    outbox.decide([picture("a")], "drop", "", "worst");
    await server.fail(new Problem(0, "unreachable", "no answer"));
    expect(outbox.snapshot()).toMatchObject({ waiting: 1, trouble: "no answer" });
    await server.fail(new Problem(507, "disk_full", "the disk is full"));
    expect(outbox.snapshot()).toMatchObject({ waiting: 1, trouble: "the disk is full" });
    await server.answer(outcome({ saved: [saved("a", 7)] }));
    expect(outbox.snapshot()).toMatchObject({ waiting: 0, trouble: "" });
  });

  it("is given up where the request itself is at fault, and the mark goes", async () => {
    const { server, outbox } = start();
    outbox.decide([picture("a")], "drop", "", "worst");
    await server.fail(new Problem(413, "too_many", "too many at once"));
    expect(outbox.snapshot()).toMatchObject({ waiting: 0, notice: { kind: "refused", text: "too many at once" } });
    expect(marked(picture("a"), outbox.snapshot().marks).decision).toBe("");
  });
});

describe("a picture that somebody else decided meanwhile", () => {
  const theirs = saved("a", 9, { decision: "keep", state: "kept" });

  it("shows the decision that holds, with a notice", async () => {
    const { server, outbox } = start();
    outbox.decide([picture("a"), picture("b")], "drop", "", "worst");
    await server.answer(outcome({ saved: [saved("b", 10)], stale: [theirs] }));
    expect(outbox.snapshot().notice).toMatchObject({ kind: "stale", sha256s: ["a"] });
    expect(marked(picture("a"), outbox.snapshot().marks)).toMatchObject({ decision: "keep", revision: 9, saving: false });
    expect(marked(picture("b"), outbox.snapshot().marks)).toMatchObject({ decision: "drop", saving: false });
  });

  it("can be decided all the same, with the revision just received", async () => {
    const { server, outbox } = start();
    outbox.decide([picture("a")], "drop", "", "worst");
    await server.answer(outcome({ stale: [theirs] }));
    outbox.again();
    await settle();
    expect(server.requests[1]).toEqual({ view: "worst", decisions: [{ sha256: "a", decision: "drop", revision: 9 }] });
  });

  it("is taken out of what was decided upon it since", async () => {
    const { server, outbox } = start();
    outbox.decide([picture("a")], "drop", "", "worst");
    outbox.decide([picture("a")], "relabel", "tulip", "worst");
    await server.answer(outcome({ stale: [theirs] }));
    expect(server.requests).toHaveLength(1);
    expect(outbox.snapshot().waiting).toBe(0);
  });

  it("is saved where it was us: the answer to the first try got lost", async () => {
    const { server, outbox } = start();
    outbox.decide([picture("a")], "drop", "", "worst");
    await server.fail(new Problem(0, "unreachable", "no answer"));
    await server.answer(outcome({ stale: [saved("a", 7)] }));
    expect(outbox.snapshot()).toMatchObject({ waiting: 0, notice: null });
  });
});

describe("undo", () => {
  it("waits its turn and says what came back", async () => {
    const { server, outbox } = start();
    outbox.decide([picture("a")], "drop", "", "worst");
    outbox.undo();
    await server.answer(outcome({ saved: [saved("a", 7)] }));
    await server.answer(outcome({ saved: [saved("a", 8, { decision: "", state: "suspect" })], can_undo: false, can_redo: true }));
    expect(outbox.snapshot()).toMatchObject({ waiting: 0, canUndo: false, canRedo: true, notice: { kind: "undone", sha256s: ["a"] } });
    expect(marked(picture("a"), outbox.snapshot().marks)).toMatchObject({ decision: "", state: "suspect" });
  });

  it("does nothing where there is nothing to undo", () => {
    const { outbox } = start();
    outbox.undo();
    expect(outbox.snapshot().waiting).toBe(0);
  });
});

it("a list that is newer than what was acknowledged here wins", async () => {
  const { server, outbox } = start();
  outbox.decide([picture("a")], "drop", "", "worst");
  await server.answer(outcome({ saved: [saved("a", 7)] }));
  const newer = picture("a", { decision: "keep", state: "kept", revision: 12 });
  expect(marked(newer, outbox.snapshot().marks)).toMatchObject({ decision: "keep", revision: 12 });
});
