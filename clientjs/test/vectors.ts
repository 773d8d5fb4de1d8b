// Reads the wire vectors that every implementation must pass: session/testdata/README.md says what
// they are.
import { readFileSync, readdirSync } from 'node:fs'

/** Octets as the vectors write them. */
export type Octets = string | { base64: string } | { repeat: Octets; times: number } | Octets[]

export interface LineVector {
  text?: Octets
  binary?: Octets
  more?: boolean
  control?: string
  json?: unknown
  ignored?: boolean
}

export interface Vector {
  id: string
  why: string
  breaks?: string
  /** A client may take it all the same. */
  client?: 'may'
  limit?: number
  canonical?: boolean
  wire?: Octets
  frame?: Octets
  body?: Octets
  key?: string
  kind?: string
  nonce?: string
  first?: number
  ack?: number
  more?: boolean
  payload?: Octets
  lines?: LineVector[] | number[]
  text?: Octets
  binary?: Octets
  utf16?: number[]
  batches?: { wire: Octets; recv: number; gap?: boolean; breaks?: string }[]
  messages?: LineVector[]
}

export interface VectorFile {
  form: string
  vectors: Vector[]
}

const folder = new URL('../../session/testdata/vectors/', import.meta.url)

export const vectorFiles = (): [string, VectorFile][] =>
  readdirSync(folder)
    .filter((name) => name.endsWith('.json'))
    .map((name) => [name, JSON.parse(readFileSync(new URL(name, folder), 'utf8')) as VectorFile])

export function bytesOf(octets: Octets): Uint8Array {
  if (typeof octets === 'string') return Buffer.from(octets)
  if (Array.isArray(octets)) return Buffer.concat(octets.map(bytesOf))
  if ('base64' in octets) return Buffer.from(octets.base64, 'base64')
  return Buffer.concat(Array.from({ length: octets.times }, () => bytesOf(octets.repeat)))
}

/**
 * Octets as a carrier hands them over: decoded fatally. The platform takes a BOM off a body, and
 * leaves it in a frame.
 */
export const textOf = (octets: Octets, ignoreBOM: boolean): string =>
  new TextDecoder('utf-8', { fatal: true, ignoreBOM }).decode(bytesOf(octets))
