/** Bytes of users as something to read: text where they are text, else base64 (in JSON) or hexadecimal (in text). */

/** `bytes` is there when it was cut, and is the whole length. */
export type ShownBytes =
  | { readonly utf8: string; readonly bytes?: number }
  | { readonly base64: string; readonly bytes?: number }
  | null

const WHOLE = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
// What moves a terminal's cursor or colours it, and what no font shows. Line ends and tabs are let through before.
const UNPRINTABLE = /[\p{Cc}\p{Cn}\p{Co}\p{Cs}]/u

export function shownBytes(bytes: Uint8Array | null, bytesMax: number): ShownBytes {
  if (bytes === null) return null
  const isCut = bytes.length > bytesMax
  const shown = isCut ? bytes.subarray(0, bytesMax) : bytes
  const length = isCut ? { bytes: bytes.length } : {}
  const utf8 = printable(shown, isCut)
  return utf8 === undefined ? { base64: Buffer.from(shown).toString('base64'), ...length } : { utf8, ...length }
}

/** @param isCut  the last character may be there in part: it is left out */
function printable(bytes: Uint8Array, isCut: boolean): string | undefined {
  try {
    const text = isCut
      ? new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes, { stream: true })
      : WHOLE.decode(bytes)
    return UNPRINTABLE.test(text.replace(/[\t\n\r]/g, ' ')) ? undefined : text
  } catch {
    // Not UTF-8, which is the answer.
    return undefined
  }
}

export function bytesAsText(shown: ShownBytes): string {
  if (shown === null) return 'null'
  const text = 'utf8' in shown ? JSON.stringify(shown.utf8) : `0x${Buffer.from(shown.base64, 'base64').toString('hex')}`
  return shown.bytes === undefined ? text : `${text}…(${shown.bytes} bytes)`
}
