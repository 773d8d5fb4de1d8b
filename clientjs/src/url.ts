/**
 * The endpoint at `url` as an absolute URL, less `http` or `ws` in front; throws a TypeError for
 * what is none, for other schemes, for a fragment and for an empty last segment. In a page it may be
 * relative, as every URL in that page. Credentials, which come with the address of a page, are left
 * out: fetch takes none.
 */
export function endpointOf(url: string | URL): string {
  const { href } = new URL(url, globalThis.document?.baseURI ?? globalThis.location?.href)
  const parts = /^(?:http|ws)(s?:\/\/)(?!.*\/\/$)(?:[^/]*@)?([^#]*)$/.exec(href)
  if (!parts) throw TypeError(href)
  return parts[1]! + parts[2]
}
