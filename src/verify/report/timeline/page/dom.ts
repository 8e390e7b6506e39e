/**
 * What of a browser the script of the page uses. Declared here, so that the rest of the program does not see a
 * browser's names.
 */

export interface PageElement {
  readonly dataset: Record<string, string | undefined>
  readonly style: { left: string; top: string; width: string; height: string; display: string }
  readonly clientWidth: number
  innerHTML: string
  textContent: string | null
  hidden: boolean
  open?: boolean
  setAttribute(name: string, value: string): void
  getAttribute(name: string): string | null
  getBoundingClientRect(): {
    readonly left: number
    readonly top: number
    readonly width: number
    readonly bottom: number
  }
  querySelector(selector: string): PageElement | null
  querySelectorAll(selector: string): Iterable<PageElement>
  closest(selector: string): PageElement | null
  contains(other: PageElement | null): boolean
  focus(options?: { preventScroll?: boolean }): void
  setPointerCapture(pointerId: number): void
  addEventListener(type: string, listener: (event: PageEvent) => void, options?: { passive?: boolean }): void
  scrollIntoView(options?: { block: 'nearest' | 'start' | 'center' }): void
}

/** Of keyboard, pointer and wheel events at once. */
export interface PageEvent {
  readonly target: PageElement
  readonly key: string
  readonly button: number
  readonly pointerId: number
  readonly clientX: number
  readonly clientY: number
  readonly deltaX: number
  readonly deltaY: number
  readonly ctrlKey: boolean
  readonly metaKey: boolean
  readonly shiftKey: boolean
  readonly altKey: boolean
  preventDefault(): void
}

export interface Page {
  readonly document: {
    readonly documentElement: PageElement
    readonly activeElement: PageElement | null
    getElementById(id: string): PageElement | null
    querySelectorAll(selector: string): Iterable<PageElement>
  }
  readonly innerWidth: number
  readonly location: { readonly hash: string }
  addEventListener(type: string, listener: () => void): void
  requestAnimationFrame(draw: () => void): number
}
