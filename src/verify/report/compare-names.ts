/** The order of names in lists: teller-2 before teller-10. */
const COLLATOR = new Intl.Collator('en', { numeric: true })

export function compareNames(one: string, other: string): number {
  return COLLATOR.compare(one, other)
}
