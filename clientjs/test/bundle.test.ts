import { readFileSync } from 'node:fs'
import { runInNewContext } from 'node:vm'
import { expect, test } from 'vitest'
import * as source from '../src/index.js'
import * as webSocket from '../src/websocket.js'

const read = (name: string) => readFileSync(new URL(`../dist/${name}`, import.meta.url), 'utf8')

test('the script defines Holdfast with the exports of the sources, and nothing else', () => {
  const platform = { EventTarget, TextDecoder, TextEncoder, URL, clearTimeout, fetch, performance, setTimeout }
  const context: Record<string, unknown> = { ...platform }
  runInNewContext(read('holdfast.min.js'), context)
  expect(Object.keys(context).filter((name) => !(name in platform))).toEqual(['Holdfast'])
  expect(Object.keys(context['Holdfast'] as object).sort()).toEqual(Object.keys({ ...source, ...webSocket }).sort())
})

test('the module has the exports of the source', async () => {
  const built = (await import(new URL('../dist/holdfast.mjs', import.meta.url).href)) as object
  expect(Object.keys(built).sort()).toEqual(Object.keys(source).sort())
})

test('the module of the WebSocket class has its exports, and shares the session with the other', async () => {
  const built = (await import(new URL('../dist/websocket.mjs', import.meta.url).href)) as object
  expect(Object.keys(built)).toEqual(Object.keys(webSocket))
  expect(read('websocket.mjs')).toMatch(/^import \{ connect \} from "\.\/holdfast\.mjs";$/m)
})

test('private names are mangled in the script', () => {
  expect(read('holdfast.min.js')).not.toMatch(/\._[a-z]/i)
})
