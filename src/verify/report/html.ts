/**
 * Text for a page in which nothing that a history holds can become markup: every value is escaped but what was made
 * here.
 */

export type Content = string | number | Html | undefined | readonly Content[]

/** Markup, safe as it stands. */
export class Html {
  readonly text: string

  private constructor(text: string) {
    this.text = text
  }

  /** Only for text that is written in our sources, or whose values were escaped one by one. */
  static trusted(text: string): Html {
    return new Html(text)
  }
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}

/** A template of markup: values are escaped, lists are joined, `undefined` is nothing. */
export function html(texts: TemplateStringsArray, ...values: readonly Content[]): Html {
  return Html.trusted(texts.map((text, at) => text + rendered(values[at])).join(''))
}

function rendered(content: Content): string {
  if (content === undefined) return ''
  if (content instanceof Html) return content.text
  if (typeof content === 'string' || typeof content === 'number') return escapeText(String(content))
  return content.map(rendered).join('')
}

/** Safe between tags and inside quoted attributes. */
function escapeText(text: string): string {
  return text.replace(/[&<>"']/g, (character) => ENTITIES[character] as string)
}

/** JSON that may stand in a `script` element: nothing in it can end the element or open a comment. */
export function scriptJson(value: unknown): Html {
  return Html.trusted(JSON.stringify(value).replace(/[<>&\u2028\u2029]/g, escapeCharacter))
}

function escapeCharacter(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
}
