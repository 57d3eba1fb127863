/** The page's side of the server it came from: files in, answers out, in order. */

import { type Answer, type Guide, makeAnswer } from "./guide.ts";
import { BadImage } from "./header.ts";
import { request } from "./request.ts";

interface Reply {
  readonly declined: boolean;
  readonly familiarity: number;
  readonly probs: readonly { readonly class_name: string; readonly prob: number }[];
}

interface Problem {
  readonly code?: string;
  readonly detail?: string;
}

const TRIES = 5; // of a server that is busy and says when to come back
const OWN_FAULTS = [400, 401, 403, 408, 429, 500, 503, 507];

/** Answers for files from the server. */
export class Server {
  private readonly guide: Guide;
  private line: Promise<unknown> = Promise.resolve(); // one picture after the other: others use the server too

  constructor(guide: Guide) {
    this.guide = guide;
  }

  /**
   * Classify a file.
   *
   * @throws BadImage it is not a picture that the server takes.
   */
  classify(file: Blob): Promise<Answer> {
    const answer = this.line.then(() => this.ask(file));
    this.line = answer.catch(() => undefined);
    return answer;
  }

  /** Keep a picture with what it shows; "" for none of the classes. */
  async correct(file: Blob, className: string): Promise<void> {
    await this.post(`v1/feedback?class_name=${encodeURIComponent(className)}`, file);
  }

  private async ask(file: Blob): Promise<Answer> {
    const started = performance.now();
    const reply = (await (await this.post("v1/classify", file)).json()) as Reply;
    const probs = new Map(reply.probs.map(({ class_name, prob }) => [class_name, prob]));
    const inOrder = this.guide.classes.map(({ name }) => probs.get(name) ?? 0);
    const answer = makeAnswer(inOrder, reply.familiarity, this.guide.threshold);
    return { ...answer, declined: reply.declined, place: "server", tookMs: performance.now() - started };
  }

  private async post(path: string, file: Blob): Promise<Response> {
    for (let tries = 1; ; tries++) {
      const response = await request(path, { method: "POST", body: file });
      if (response.ok) return response;
      if (tries < TRIES && (response.status === 503 || response.status === 429)) {
        await wait(Number(response.headers.get("retry-after") ?? 1) * tries);
        continue;
      }
      const { code = "", detail = "" } = (await response.json().catch(() => ({}))) as Problem;
      if (OWN_FAULTS.includes(response.status)) throw new Error(detail || `The server answers ${response.status}.`);
      throw new BadImage(code, sentence(detail));
    }
  }
}

const wait = (seconds: number) => new Promise((resolve) => setTimeout(resolve, 1000 * seconds));
const sentence = (text: string) => (text === "" ? text : `${text[0]?.toUpperCase() ?? ""}${text.slice(1)}${text.endsWith(".") ? "" : "."}`);
