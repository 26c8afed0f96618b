const PREFIX = 'principal:';
const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
const PROMOTION = /^[a-z0-9-]+\/\d+$/;
const REQUEST = '/request';

/** New names for people and for the keys that they chose, the same for the same, in the order in which they come. */
export class Pseudonyms {
  readonly #people = new Map<string, string>();
  readonly #keys = new Map<string, string>();
  readonly #members = new Map<string, string>();
  readonly #texts = new Map<string, string>();
  #textCount = 0;

  /** `person-1`; a prefix that says what it is stays. */
  person(name: string): string {
    if (name === '') return '';
    if (name.startsWith(PREFIX)) return PREFIX + this.person(name.slice(PREFIX.length));
    return renamed(this.#people, name, 'person');
  }

  /** `member-1`, for a name that somebody chose for a label, a setting or the like. */
  member(name: string): string {
    return renamed(this.#members, name, 'member');
  }

  /**
   * `text-1`, for a text that conditions may compare: the same for the same, and none of those that stay.
   * @param kept texts that are shown as they are
   */
  text(text: string, kept: ReadonlySet<string>): string {
    if (text === '' || kept.has(text)) return text;
    const found = this.#texts.get(text);
    if (found !== undefined) return found;
    let made: string;
    do {
      this.#textCount += 1;
      made = `text-${this.#textCount}`;
    } while (kept.has(made));
    this.#texts.set(text, made);
    return made;
  }

  /** Who or what something came from: promotions stay, people do not. */
  origin(name: string): string {
    return PROMOTION.test(name) ? name : this.person(name);
  }

  /** `person-1/key-1` of `<principal>/<key>`, with the ending of a message's id; a UUID tells of nobody and stays. */
  updateId(id: string): string {
    if (id.endsWith(REQUEST)) return this.updateId(id.slice(0, -REQUEST.length)) + REQUEST;
    const slash = id.indexOf('/');
    const key = id.slice(slash + 1);
    const newKey = key === '' || UUID.test(key) ? key : renamed(this.#keys, key, 'key');
    return slash === -1 ? newKey : `${this.person(id.slice(0, slash))}/${newKey}`;
  }
}

function renamed(known: Map<string, string>, name: string, word: string): string {
  const found = known.get(name);
  if (found !== undefined) return found;
  const made = `${word}-${known.size + 1}`;
  known.set(name, made);
  return made;
}
