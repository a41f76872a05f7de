import type { Draft, DraftSection } from "./draft.ts";
import { replay, type StagedChange } from "./staged.ts";
import type { StatementTaker } from "./statements.ts";

/**
 * `uci -m import`: every statement becomes a change of an existing package, staged and not yet committed. Lists grow
 * and anonymous sections are always new, so doing it twice is not the same as once; uciprov itself merges by `settle`.
 */
export class MergeTaker implements StatementTaker {
  readonly changes: StagedChange[] = [];
  readonly #draft: Draft;
  #current: DraftSection | undefined;

  constructor(draft: Draft) {
    this.#draft = draft;
  }

  package(): boolean {
    return true;
  }

  section(type: string, name: string | undefined, isStrict: boolean): boolean {
    if (name === undefined) {
      this.#current = this.#change("add", this.#draft.nextGeneratedName(type), undefined, type);
      return true;
    }
    const known = this.#draft.sections.find(name);
    if (known !== undefined && known.type !== type && isStrict) return false;
    this.#current = known?.type === type ? known : this.#change("set", name, undefined, type);
    return true;
  }

  option(name: string, value: string): void {
    const section = this.#current;
    if (section === undefined || value === "" || section.options.find(name)?.value === value) return;
    this.#change("set", section.name, name, value);
  }

  list(name: string, item: string): void {
    if (this.#current !== undefined) this.#change("list-add", this.#current.name, name, item);
  }

  #change(
    kind: StagedChange["kind"],
    section: string,
    option: string | undefined,
    value: string,
  ): DraftSection | undefined {
    const change = { kind, section, option, value };
    this.changes.push(change);
    replay(this.#draft, change);
    return this.#draft.sections.find(section);
  }
}
