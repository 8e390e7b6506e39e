/**
 * The orders of the demonstration: made up from a seed, or read from a file of real ones. Amounts are whole thousandths of
 * a pound, so that sums are exact.
 *
 * Each line has the number of its row as identity: a real file holds lines that are equal byte for byte and all meant.
 */

export interface OrderLine {
  readonly row: number
  readonly stockCode: string
  readonly quantity: number
  /** Quantity times price. */
  readonly amountMilli: number
}

export interface Order {
  readonly orderId: string
  readonly customer: string
  readonly country: string
  readonly lines: readonly OrderLine[]
}

const COUNTRIES = ['United Kingdom', 'France', 'Germany', 'Japan', 'Norway', 'Spain'] as const
const LINES_MAX = 9
const QUANTITY_MAX = 12
const PRICE_MILLI_MAX = 20_000
const CUSTOMERS = 400
const FIRST_ORDER = 500_001

/** @param draw  0 … limit - 1 */
export function makeOrders(count: number, draw: (limit: number) => number): readonly Order[] {
  let row = 0
  return Array.from({ length: count }, (_, index) => {
    const lines = Array.from({ length: 1 + draw(LINES_MAX) }, () => {
      const quantity = 1 + draw(QUANTITY_MAX)
      const line = {
        row,
        stockCode: `SKU-${draw(1_000)}`,
        quantity,
        amountMilli: quantity * (10 + draw(PRICE_MILLI_MAX)),
      }
      row += 1
      return line
    })
    const country = COUNTRIES[draw(COUNTRIES.length)] as string
    return { orderId: String(FIRST_ORDER + index), customer: `C${1 + draw(CUSTOMERS)}`, country, lines }
  })
}

const COLUMNS = [
  'InvoiceNo',
  'StockCode',
  'Description',
  'Quantity',
  'InvoiceDate',
  'UnitPrice',
  'CustomerID',
  'Country',
] as const

/**
 * Orders of a file with the columns above (RFC 4180), one order for each invoice, in the order in which they begin.
 * Throws Error with the row when a line is not what it should be.
 */
export function readOrders(csv: string): readonly Order[] {
  const orders = new Map<string, { orderId: string; customer: string; country: string; lines: OrderLine[] }>()
  let row = -1
  for (const fields of csvRows(csv)) {
    if (row === -1) {
      if (fields.join() !== COLUMNS.join()) throw new Error(`the first line should be ${COLUMNS.join(',')}`)
      row = 0
      continue
    }
    const [orderId, stockCode, , quantityText, , price, customer, country] = fields
    const quantity = Number(quantityText)
    if (fields.length !== COLUMNS.length || !orderId || !Number.isSafeInteger(quantity)) {
      throw new Error(`row ${row} is no order line: ${fields.join(',')}`)
    }
    const line = { row, stockCode: stockCode ?? '', quantity, amountMilli: quantity * thousandths(price ?? '', row) }
    const order = orders.get(orderId)
    if (order === undefined) {
      orders.set(orderId, {
        orderId,
        customer: (customer ?? '').replace(/\.0$/, ''),
        country: country ?? '',
        lines: [line],
      })
    } else order.lines.push(line)
    row += 1
  }
  return [...orders.values()]
}

/** A price with at most three decimals, without floating point. */
function thousandths(price: string, row: number): number {
  const match = /^(-?)(\d+)(?:\.(\d{1,3}))?$/.exec(price)
  if (match === null) throw new Error(`row ${row}: ${price} is no price`)
  const value = Number(match[2]) * 1_000 + Number((match[3] ?? '').padEnd(3, '0'))
  return match[1] === '-' ? -value : value
}

/** Fields in double quotes may hold commas, line ends and doubled quotes. */
export function* csvRows(text: string): Generator<readonly string[]> {
  let at = 0
  while (at < text.length) {
    const fields: string[] = []
    for (let isRowEnd = false; !isRowEnd; ) {
      let field = ''
      if (text[at] === '"') {
        for (;;) {
          const quote = text.indexOf('"', at + 1)
          if (quote < 0) throw new Error('a quote is not closed')
          field += text.slice(at + 1, quote)
          at = quote + 1
          if (text[at] !== '"') break
          field += '"'
        }
      }
      const end = endOfField(text, at)
      field += text.slice(at, end)
      fields.push(field)
      isRowEnd = text[end] !== ','
      at = text[end] === '\r' && text[end + 1] === '\n' ? end + 2 : end + 1
    }
    yield fields
  }
}

function endOfField(text: string, from: number): number {
  let at = from
  while (at < text.length) {
    const code = text.charCodeAt(at)
    // Comma, line feed, carriage return.
    if (code === 44 || code === 10 || code === 13) break
    at += 1
  }
  return at
}
