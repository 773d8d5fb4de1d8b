// A short check of what everybody needs of a page: names for controls, sound structure, and
// contrast.

/** Runs in the page; returns the width of what is laid out and a list of faults. */
export function audit() {
  const faults = []
  const describe = (element) =>
    `${element.localName}${element.id && `#${element.id}`}.${element.className} ` +
    `"${element.textContent.trim().slice(0, 30)}"`
  const shown = (element) => element.checkVisibility({ visibilityProperty: true, opacityProperty: true })

  for (const control of document.querySelectorAll('button, input, textarea, select, a[href]')) {
    const label =
      control.labels?.[0]?.textContent ||
      control.getAttribute('aria-label') ||
      (control.localName === 'button' || control.localName === 'a' ? control.textContent : '')
    if (!label.trim()) faults.push(`no name: ${describe(control)}`)
  }
  for (const image of document.querySelectorAll('img:not([alt]), canvas:not([aria-label])'))
    faults.push(`no words for ${describe(image)}`)
  for (const region of document.querySelectorAll('[aria-labelledby], [aria-describedby]'))
    for (const name of ['aria-labelledby', 'aria-describedby'])
      for (const id of (region.getAttribute(name) ?? '').split(' ').filter(Boolean))
        if (!document.getElementById(id)) faults.push(`${name}="${id}" names nothing`)
  const ids = [...document.querySelectorAll('[id]')].map((element) => element.id)
  for (const id of new Set(ids))
    if (ids.filter((other) => other === id).length > 1) faults.push(`id ${id} is not unique`)
  if (!document.documentElement.lang || !document.title) faults.push('the page has no language or title')
  if (
    document.querySelectorAll('h1').length !== 1 ||
    !document.querySelector('main') ||
    !document.querySelector('header')
  )
    faults.push('no one h1, main and header')
  if (!document.querySelector('[role=log]') || !document.querySelector('[role=status]'))
    faults.push('nothing tells a screen reader of news')

  /** Red, green, blue and alpha of a computed colour, by painting it. */
  const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true })
  const rgba = (colour) => {
    canvas.clearRect(0, 0, 1, 1)
    canvas.fillStyle = colour
    canvas.fillRect(0, 0, 1, 1)
    return [...canvas.getImageData(0, 0, 1, 1).data]
  }
  const luminance = ([r, g, b]) => {
    const [x, y, z] = [r, g, b].map((v) => (v / 255 <= 0.04045 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4))
    return 0.2126 * x + 0.7152 * y + 0.0722 * z
  }
  const ground = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const colour = rgba(getComputedStyle(at).backgroundColor)
      if (colour[3] === 255) return colour
    }
    return [255, 255, 255, 255]
  }
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT)
  const seen = new Set()
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement
    if (
      !walker.currentNode.data.trim() ||
      seen.has(element) ||
      !shown(element) ||
      element.matches('.unseen, .skip, script, noscript *, :disabled')
    )
      continue
    seen.add(element)
    const style = getComputedStyle(element)
    const [a, b] = [luminance(rgba(style.color)), luminance(ground(element))].sort((x, y) => y - x)
    const ratio = (a + 0.05) / (b + 0.05)
    const large = parseFloat(style.fontSize) >= 24 || (parseFloat(style.fontSize) >= 18.66 && style.fontWeight >= 700)
    if (ratio < (large ? 3 : 4.5)) faults.push(`contrast ${ratio.toFixed(2)}: ${describe(element)}`)
  }
  return { scrollWidth: document.documentElement.scrollWidth, faults }
}

/**
 * Walks through the page with the Tab key, once around; returns what was focused, and whether that
 * shows.
 */
export async function tabStops(page) {
  await page.evaluate(() => {
    document.activeElement.blur()
    scrollTo(0, 0)
  })
  await page.mouse.click(1, 1)
  const stops = new Map()
  for (let i = 0; i < 60; i++) {
    await page.keyboard.press('Tab')
    const stop = await page.evaluate(() => {
      const element = document.activeElement
      if (!element || element === document.body) return undefined
      // A control that is not seen itself shows its focus on its label or on what stands beside it.
      const bearers = [element, element.nextElementSibling, element.labels?.[0]].filter(Boolean)
      const name = element.id || `${element.localName}.${element.className}${element.value ?? ''}`
      return [name, bearers.some((one) => getComputedStyle(one).outlineStyle !== 'none') || element.matches('.skip')]
    })
    if (!stop || stops.has(stop[0])) break
    stops.set(...stop)
  }
  return stops
}
