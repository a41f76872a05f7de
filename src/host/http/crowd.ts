import { ProvisionError } from "../../errors.ts";
import type { Answer } from "./exchange.ts";
import { field } from "./head.ts";

/**
 * Our requests to one server. Some servers allow an address only so many at a time (nginx's `limit_conn`, a firewall's `connlimit`) and refuse the others, or let them wait in vain: each
 * of those that began beside others is made again when one of them has ended. What is refused though nothing else of ours was under way is refused.
 */
export class Crowd {
  #underWay = 0;
  readonly #waiting: (() => void)[] = [];

  /** `ask` makes one request and may be called again; the signal's reason is thrown as it is. */
  async ask(ask: () => Promise<Answer>, signal: AbortSignal): Promise<Answer> {
    for (;;) {
      const wasAlone = this.#underWay === 0;
      // Who is stopped is told another's failure at times, and asks no more: the next in line is woken as by any end.
      const mayBe = () => !wasAlone && !signal.aborted;
      let isOneTooMany = false;
      this.#underWay++;
      try {
        const answer = await ask();
        isOneTooMany = mayBe() && isBusy(answer);
        if (!isOneTooMany) return answer;
      } catch (thrown) {
        isOneTooMany = mayBe() && thrown instanceof ProvisionError && thrown.code === "CONNECT_FAILED";
        if (!isOneTooMany) throw thrown;
      } finally {
        this.#underWay--;
        if (!isOneTooMany) this.#waiting.shift()?.();
      }
      if (this.#underWay > 0) await this.#turn(signal);
    }
  }

  /** One request that counts among them, once. */
  async once<T>(ask: () => Promise<T>): Promise<T> {
    this.#underWay++;
    try {
      return await ask();
    } finally {
      this.#underWay--;
      this.#waiting.shift()?.();
    }
  }

  #turn(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const end = (): void => signal.removeEventListener("abort", stop);
      const go = (): void => {
        end();
        resolve();
      };
      const stop = (): void => {
        end();
        this.#waiting.splice(this.#waiting.indexOf(go), 1);
        reject(signal.reason);
      };
      this.#waiting.push(go);
      signal.addEventListener("abort", stop);
    });
  }
}

/** Too much for now (RFC 6585 §4, RFC 9110 §15.6.4), and not said until when. */
export function isBusy(answer: Answer): boolean {
  return (answer.status === 429 || answer.status === 503) && field(answer, "retry-after") === undefined;
}
