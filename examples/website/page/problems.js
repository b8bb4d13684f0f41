// What can go wrong, by name. The words for it are in words.js.

export class Problem extends Error {
  /** `detail`: what the browser or the server says of it. `retryAfter`: in so many seconds it may be better. */
  constructor(code, { detail = "", retryAfter = null } = {}) {
    super(detail || code);
    this.code = code;
    this.detail = detail;
    this.retryAfter = retryAfter;
  }
}

/** Anything that was thrown, as a problem. */
export function asProblem(error) {
  return error instanceof Problem ? error : new Problem("page", { detail: `${error}` });
}
