/** The judge finds what is planted, and nothing where nothing is. */
import { expect, test } from 'vitest'
import { SimRandom } from '../../testing/sim-random.ts'
import { csvRows, makeOrders, readOrders } from './orders.ts'
import { digest, enrich, isClean, Judge } from './results.ts'

const random = new SimRandom(1)
const orders = makeOrders(50, (limit) => random.below(limit))
const lineCount = orders.reduce((sum, { lines }) => sum + lines.length, 0)

function judged(change: (judge: Judge, index: number) => boolean = () => true) {
  const judge = new Judge(orders)
  for (const [index, order] of orders.entries()) {
    if (!change(judge, index)) continue
    const { lines, ledger } = enrich(order)
    for (const line of lines) judge.addLine(line)
    for (const entry of ledger) judge.addLedger(entry)
  }
  return judge.verdict()
}

test('everything once is clean', () => {
  const verdict = judged()
  expect(verdict).toMatchObject({
    lost: 0,
    duplicated: 0,
    torn: 0,
    foreign: 0,
    ledgerSumMilli: 0,
    stored: lineCount + 100,
  })
  expect(verdict.salesMilli).toBe(verdict.expectedSalesMilli)
  expect(isClean(verdict)).toBe(true)
})

test('a lost order, a repeated record, a torn order, a foreign record and a wrong amount are each found', () => {
  const records = (index: number): number => (orders[index]?.lines.length ?? 0) + 2
  expect(judged((_judge, index) => index !== 7)).toMatchObject({ lost: records(7), duplicated: 0, torn: 0 })
  const [first] = orders
  if (first === undefined) throw new Error('no orders')
  const { lines, ledger } = enrich(first)
  const line = lines[0]
  const entry = ledger[0]
  if (line === undefined || entry === undefined) throw new Error('an order without records')
  expect(judged((judge, index) => (index === 0 ? (judge.addLine(line), true) : true))).toMatchObject({
    lost: 0,
    duplicated: 1,
  })
  expect(judged((judge, index) => (index === 0 ? (judge.addLedger(entry), false) : true))).toMatchObject({
    torn: 1,
    lost: records(0) - 1,
    ledgerSumMilli: entry.amountMilli,
  })
  expect(
    judged((judge, index) => (index === 0 ? (judge.addLine({ ...line, row: 999_999 }), true) : true)),
  ).toMatchObject({ foreign: 1 })
  expect(
    judged((judge, index) => (index === 0 ? (judge.addLine({ ...line, amountMilli: 1 }), true) : true)),
  ).toMatchObject({ foreign: 1 })
})

test('a file of orders is read with its quotes, and sums stay exact', () => {
  const csv = [
    'InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country',
    '1,A,"A ""large"", red box",6,2010-12-01 08:26:00,2.55,17850.0,United Kingdom',
    'C2,B,,-1,2010-12-01 08:27:00,0.001,,France\r',
    '1,A,"A ""large"", red box",6,2010-12-01 08:26:00,2.55,17850.0,United Kingdom',
  ].join('\n')
  expect(readOrders(csv)).toEqual([
    {
      orderId: '1',
      customer: '17850',
      country: 'United Kingdom',
      lines: [
        { row: 0, stockCode: 'A', quantity: 6, amountMilli: 15_300 },
        { row: 2, stockCode: 'A', quantity: 6, amountMilli: 15_300 },
      ],
    },
    {
      orderId: 'C2',
      customer: '',
      country: 'France',
      lines: [{ row: 1, stockCode: 'B', quantity: -1, amountMilli: -1 }],
    },
  ])
  expect([...csvRows('a,"b\nc",\n,d')]).toEqual([
    ['a', 'b\nc', ''],
    ['', 'd'],
  ])
  expect(() => readOrders('x\n')).toThrow('the first line should be')
  expect(() => readOrders(`${csv}\n3,A,b,one,c,1,d,e`)).toThrow('row 3 is no order line')
})

test('a digest does not depend on the order of its entries', () => {
  expect(
    digest(
      new Map([
        ['a', 1],
        ['b', 2],
      ]),
    ),
  ).toBe(
    digest(
      new Map([
        ['b', 2],
        ['a', 1],
      ]),
    ),
  )
})
