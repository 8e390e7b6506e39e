/**
 * Makes the timeline answer to wheel, drag and keyboard: moves the view, draws the lanes anew, shows what a mark means.
 * Runs in the page: see time-scale.ts. What is seen without it is the whole run, as it was drawn when the page was
 * written.
 */
import type { Timeline } from '../timeline.ts'
import type { Page, PageElement, PageEvent } from './dom.ts'
import type { LaneDrawing } from './drawing.ts'
import type { TimeScale, View } from './time-scale.ts'

export function timelineControl(page: Page, timeline: Timeline, scale: TimeScale, drawing: LaneDrawing): void {
  const PAN_SHARE = 0.2
  const ZOOM_STEP = 0.6
  const WHEEL_STEP = 0.0015
  /** Pixels of a printed page, landscape, less the labels. */
  const PRINT_WIDTH = 830
  const DRAG_MIN = 4

  const { document } = page
  const { spanTicks } = timeline
  const element = (id: string): PageElement => document.getElementById(id) as PageElement
  const root = element('timeline')
  const axis = element('axis')
  const axisTrack = axis.querySelector('svg') as PageElement
  const windowText = element('timeline-window')
  const windowBar = element('overview-window')
  const cursor = element('cursor')
  const band = element('band')
  const tip = element('tip')
  const lanes = timeline.groups.flatMap((group) => group.lanes)
  const tracks = Array.from(root.querySelectorAll('svg.track'))
  const phaseStarts = lanes.flatMap((lane) => (lane.kind === 'phase' ? lane.from : []))
  let view: View = { from: 0, to: spanTicks, width: 1_000 }
  let isDrawing = false
  let drag: { startX: number; startView: View; isSelecting: boolean; hasMoved: boolean } | undefined

  function show(next: View): void {
    view = next
    if (isDrawing) return
    isDrawing = true
    page.requestAnimationFrame(() => {
      isDrawing = false
      drawAll()
    })
  }

  function drawAll(): void {
    const focused = focusedMark()
    tracks.forEach((track, at) => {
      const lane = lanes[at]
      if (lane === undefined) return
      track.setAttribute('viewBox', `0 0 ${view.width} ${drawing.heightOf(lane)}`)
      track.innerHTML = drawing.draw(lane, view, phaseStarts)
    })
    axisTrack.setAttribute('viewBox', `0 0 ${view.width} 26`)
    axisTrack.innerHTML = drawing.drawAxis(view)
    const length = view.to - view.from
    const stepMs = length / 10 / 500
    const isWhole = length >= spanTicks
    windowText.textContent = isWhole
      ? `the whole run, ${scale.lengthText(spanTicks)}`
      : `${scale.timeText(view.from, stepMs)} to ${scale.timeText(view.to, stepMs)}, ${scale.lengthText(length)}`
    windowBar.setAttribute('x', String((view.from / spanTicks) * 1_000))
    windowBar.setAttribute('width', String(Math.max(2, (length / spanTicks) * 1_000)))
    root.dataset['zoomed'] = isWhole ? 'no' : 'yes'
    if (focused === undefined) showMark(undefined)
    // What has left the view must not take the focus with it, or the keyboard would act on nothing.
    else (markAt(focused.lane, focused.row) ?? root).focus({ preventScroll: true })
  }

  function laneOf(mark: PageElement): number {
    return Number(mark.closest('svg.track')?.dataset['lane'])
  }

  function focusedMark(): { lane: number; row: number } | undefined {
    const active = document.activeElement
    const mark = active !== null && root.contains(active) ? active.closest('.mark') : null
    return mark === null ? undefined : { lane: laneOf(mark), row: Number(mark.dataset['row']) }
  }

  /** The mark that begins with this row of the lane, or into which it was drawn. */
  function markAt(lane: number, row: number): PageElement | undefined {
    let found: PageElement | undefined
    for (const mark of tracks[lane]?.querySelectorAll('.mark') ?? []) {
      const begins = Number(mark.dataset['row'])
      if (begins === row) return mark
      const isInside = begins < row && Number(mark.dataset['count']) > row - begins
      if (isInside) found = mark
    }
    return found
  }

  /** Its words, and the time it takes across all lanes. */
  function showMark(mark: PageElement | undefined): void {
    if (mark === undefined) {
      tip.hidden = true
      band.hidden = true
      return
    }
    const { left, width, bottom } = mark.getBoundingClientRect()
    const outer = root.getBoundingClientRect()
    tip.textContent = mark.getAttribute('aria-label')
    tip.hidden = false
    const middle = Math.max(0, Math.min(left + width / 2, page.innerWidth)) - outer.left
    tip.style.left = `${Math.max(0, Math.min(middle - 20, outer.width - 380))}px`
    tip.style.top = `${bottom - outer.top + 6}px`
    const [from, to] = [Number(mark.dataset['from']), Number(mark.dataset['to'])]
    const track = trackBox()
    const start = Math.max(0, scale.xOf(from, view))
    const end = Math.min(view.width, scale.xOf(to, view))
    band.hidden = end < start
    band.style.left = `${track.left - outer.left + start}px`
    band.style.width = `${Math.max(1, end - start)}px`
  }

  function trackBox(): { left: number; width: number } {
    return axisTrack.getBoundingClientRect()
  }

  function ticksUnder(event: PageEvent): number {
    return scale.ticksAt(event.clientX - trackBox().left, view)
  }

  function fit(width = trackBox().width): void {
    if (width > 0) show({ ...view, width })
  }

  function onWheel(event: PageEvent): void {
    const isOnAxis = axis.contains(event.target)
    const sideways = event.shiftKey ? event.deltaY : Math.abs(event.deltaX) > Math.abs(event.deltaY) ? event.deltaX : 0
    if (event.ctrlKey || event.metaKey || (isOnAxis && sideways === 0)) {
      event.preventDefault()
      show(scale.zoomed(view, Math.exp(event.deltaY * WHEEL_STEP), ticksUnder(event), spanTicks))
    } else if (sideways !== 0) {
      event.preventDefault()
      show(scale.panned(view, (sideways / view.width) * (view.to - view.from), spanTicks))
    }
  }

  function onPointerDown(event: PageEvent): void {
    if (event.button !== 0 || event.target.closest('svg') === null) return
    drag = {
      startX: event.clientX,
      startView: view,
      isSelecting: event.shiftKey || axis.contains(event.target),
      hasMoved: false,
    }
  }

  function onPointerMove(event: PageEvent): void {
    moveCursor(event)
    if (drag === undefined) return
    if (!drag.hasMoved) {
      if (Math.abs(event.clientX - drag.startX) < DRAG_MIN) return
      drag.hasMoved = true
      root.setPointerCapture(event.pointerId)
      showMark(undefined)
    }
    if (drag.isSelecting) {
      const { left } = root.getBoundingClientRect()
      band.hidden = false
      band.style.left = `${Math.min(drag.startX, event.clientX) - left}px`
      band.style.width = `${Math.abs(event.clientX - drag.startX)}px`
      return
    }
    const { startView, startX } = drag
    const by = ((startX - event.clientX) / view.width) * (startView.to - startView.from)
    show({ ...scale.panned(startView, by, spanTicks), width: view.width })
  }

  function onPointerUp(event: PageEvent): void {
    const ended = drag
    drag = undefined
    if (ended === undefined || !ended.hasMoved || !ended.isSelecting) return
    const { left } = trackBox()
    const edges = [ended.startX, event.clientX].map((x) => scale.ticksAt(x - left, view)).sort((a, b) => a - b)
    const [from, to] = edges as [number, number]
    show(scale.within(from, to - from, view.width, spanTicks))
  }

  function moveCursor(event: PageEvent): void {
    const track = trackBox()
    const x = event.clientX - track.left
    const isInside = x >= 0 && x <= track.width
    cursor.hidden = !isInside
    if (!isInside) return
    cursor.style.left = `${event.clientX - root.getBoundingClientRect().left}px`
    const stepMs = (view.to - view.from) / 10 / view.width
    const under = event.target.closest('svg.track')
    const lane = under === null ? undefined : lanes[Number(under.dataset['lane'])]
    const said = lane === undefined ? '' : drawing.valueText(lane, view, x)
    const time = scale.timeText(Math.max(0, scale.ticksAt(x, view)), stepMs)
    cursor.dataset['text'] = said === '' ? time : `${time}: ${said}`
    cursor.dataset['side'] = x > track.width * 0.7 ? 'left' : 'right'
  }

  function zoomBy(factor: number): void {
    const active = document.activeElement
    const mark = active !== null && root.contains(active) ? active.closest('.mark') : null
    const [from, to] = mark === null ? [view.from, view.to] : [Number(mark.dataset['from']), Number(mark.dataset['to'])]
    const middle = (Math.max(from, view.from) + Math.min(to, view.to)) / 2
    show(scale.zoomed(view, factor, middle, spanTicks))
  }

  function panBy(share: number): void {
    show(scale.panned(view, share * (view.to - view.from), spanTicks))
  }

  function showAll(): void {
    show({ from: 0, to: spanTicks, width: view.width })
  }

  /** To the next mark in view, in the order of lanes and times, from where the focus is. */
  function stepMark(direction: 1 | -1): void {
    const marks = Array.from(root.querySelectorAll('.mark'))
    const active = document.activeElement
    const at = active === null ? -1 : marks.indexOf(active)
    const next = at < 0 && direction < 0 ? marks.length - 1 : at + direction
    marks[Math.min(Math.max(0, next), marks.length - 1)]?.focus()
  }

  /** To the first mark of the next lane that has one. */
  function stepLane(direction: 1 | -1): void {
    const focused = focusedMark()
    let lane = focused === undefined ? (direction > 0 ? 0 : tracks.length - 1) : focused.lane + direction
    for (; lane >= 0 && lane < tracks.length; lane += direction) {
      const mark = tracks[lane]?.querySelector('.mark')
      if (mark !== null && mark !== undefined) {
        mark.focus()
        return
      }
    }
  }

  const keys: Readonly<Record<string, () => void>> = {
    ArrowLeft: () => panBy(-PAN_SHARE),
    ArrowRight: () => panBy(PAN_SHARE),
    '+': () => zoomBy(ZOOM_STEP),
    '=': () => zoomBy(ZOOM_STEP),
    '-': () => zoomBy(1 / ZOOM_STEP),
    _: () => zoomBy(1 / ZOOM_STEP),
    '0': showAll,
    Home: showAll,
    n: () => stepMark(1),
    p: () => stepMark(-1),
    ArrowDown: () => stepLane(1),
    ArrowUp: () => stepLane(-1),
    Escape: () => root.focus({ preventScroll: true }),
  }

  function onKey(event: PageEvent): void {
    if (event.ctrlKey || event.metaKey || event.altKey) return
    const act = keys[event.key]
    if (act === undefined) return
    event.preventDefault()
    act()
  }

  /** A link of a finding to its place: shows that time, and points at the mark. */
  function goTo(link: PageElement): void {
    const [from, to] = [Number(link.dataset['from']), Number(link.dataset['to'])]
    show(scale.shown(from, to, view.width, spanTicks))
    const row = link.dataset['mark']
    page.requestAnimationFrame(() => markAt(0, Number(row))?.focus({ preventScroll: true }))
  }

  /** A link to an example shows it, also when it was folded. */
  function unfold(): void {
    const target = document.getElementById(page.location.hash.slice(1))
    if (target?.open === false) target.open = true
  }

  root.addEventListener('wheel', onWheel, { passive: false })
  root.addEventListener('pointerdown', onPointerDown)
  root.addEventListener('pointermove', onPointerMove)
  root.addEventListener('pointerup', onPointerUp)
  root.addEventListener('pointercancel', onPointerUp)
  root.addEventListener('pointerleave', () => {
    cursor.hidden = true
  })
  root.addEventListener('pointerover', (event) => {
    if (drag?.hasMoved !== true) showMark(event.target.closest('.mark') ?? undefined)
  })
  root.addEventListener('focusin', (event) => showMark(event.target.closest('.mark') ?? undefined))
  root.addEventListener('dblclick', (event) => show(scale.zoomed(view, 0.4, ticksUnder(event), spanTicks)))
  root.addEventListener('keydown', onKey)
  for (const [id, act] of [
    ['zoom-in', () => zoomBy(ZOOM_STEP)],
    ['zoom-out', () => zoomBy(1 / ZOOM_STEP)],
    ['earlier', () => panBy(-PAN_SHARE)],
    ['later', () => panBy(PAN_SHARE)],
    ['whole', showAll],
  ] as const) {
    element(id).addEventListener('click', act)
  }
  for (const link of document.querySelectorAll('a[data-mark]')) link.addEventListener('click', () => goTo(link))
  page.addEventListener('hashchange', unfold)
  page.addEventListener('resize', () => fit())
  page.addEventListener('beforeprint', () => {
    // Examples belong to what is found; the long tables are printed when the reader has opened them.
    for (const details of document.querySelectorAll('article details')) details.open = true
    view = { ...view, width: PRINT_WIDTH }
    drawAll()
  })
  page.addEventListener('afterprint', () => fit())
  document.documentElement.dataset['script'] = 'on'
  unfold()
  fit()
}
