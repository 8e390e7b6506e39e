/** A broken promise, found after a crash. */

export class Violation extends Error {
  override name = 'Violation'
}

/** @param holds  what must be true; the promise is put positively, or says what was found instead */
export function check(holds: boolean, promise: string): void {
  if (!holds) throw new Violation(promise)
}

/** An answer that says that what is stored is damaged: kept promise or broken one, as the case may be. */
export class ReadRefused extends Violation {
  override name = 'ReadRefused'
}
