/** The CSV reader of the main job's input: rows of fields, and prices without floating point. */

/** A price as the file writes it, at most three decimals, in thousandths. */
export function thousandths(price: string): number {
  const [, sign = '', whole = '', fraction = ''] = /^(-?)(\d+)(?:\.(\d{1,3}))?$/.exec(price) ?? []
  if (whole === '') throw new Error(`not a price: ${price}`)
  const value = Number(whole) * 1_000 + Number(fraction.padEnd(3, '0'))
  return sign === '-' ? -value : value
}

/** RFC 4180: fields in double quotes may hold commas, line ends and doubled quotes. */
export function* csvRows(text: string): Generator<string[]> {
  let fields: string[] = []
  let at = 0
  while (at < text.length) {
    let field = ''
    if (text[at] === '"') {
      at++
      while (true) {
        const end = text.indexOf('"', at)
        if (end < 0) throw new Error('a quote is not closed')
        field += text.slice(at, end)
        at = end + 1
        if (text[at] !== '"') break
        field += '"'
        at++
      }
    } else {
      const start = at
      while (at < text.length && text[at] !== ',' && text[at] !== '\n' && text[at] !== '\r') at++
      field = text.slice(start, at)
    }
    fields.push(field)
    if (text[at] === ',') {
      at++
      continue
    }
    if (text[at] === '\r') at++
    if (text[at] === '\n') at++
    yield fields
    fields = []
  }
}
