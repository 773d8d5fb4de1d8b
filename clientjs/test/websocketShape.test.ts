// The shape of the WebSocket class, which is that of the platform's.
import { afterEach, beforeEach, expect, test } from 'vitest'
import { WebSocket } from '../src/websocket.js'
import { FakeNet } from './fakeNet.js'

const url = 'ws://host.test/holdfast'

beforeEach(() => {
  const net = new FakeNet()
  WebSocket.options = { fetch: net.fetch, WebSocket: net.WebSocket }
})
afterEach(() => {
  WebSocket.options = {}
})

test('it can stand wherever the type of the platform is asked for', () => {
  const same: typeof globalThis.WebSocket = WebSocket
  expect([
    same.name, same.length, same.prototype.close.length, same.prototype.send.length,
  ]).toEqual(['WebSocket', 1, 0, 1])
  expect(Object.prototype.toString.call(same.prototype)).toBe('[object WebSocket]')
  expect(Object.getPrototypeOf(same)).toBe(EventTarget)
})

test('constants are on the class and the prototype, and cannot be changed', () => {
  ;['CONNECTING', 'OPEN', 'CLOSING', 'CLOSED'].forEach((constant, value) => {
    const descriptor = { value, enumerable: true, writable: false, configurable: false }
    expect(Object.getOwnPropertyDescriptor(WebSocket, constant)).toEqual(descriptor)
    expect(Object.getOwnPropertyDescriptor(WebSocket.prototype, constant)).toEqual(descriptor)
  })
})

test('the class itself has every attribute, enumerable, as accessors', () => {
  const attributes = 'url readyState bufferedAmount onopen onerror onclose extensions protocol onmessage binaryType'
  const names = attributes.split(' ')
  for (const attribute of names) {
    const { enumerable, get, set } = Object.getOwnPropertyDescriptor(WebSocket.prototype, attribute)!
    expect([attribute, enumerable, typeof get, typeof set]).toEqual([
      attribute,
      true,
      'function',
      /^on|binaryType/.test(attribute) ? 'function' : 'undefined',
    ])
  }
  for (const method of ['send', 'close']) expect(Object.keys(WebSocket.prototype)).toContain(method)
  expect(() => WebSocket.prototype.readyState).toThrow(TypeError)
})

test('attributes begin as the platform has them', () => {
  const socket = new WebSocket(url)
  const { readyState, bufferedAmount, extensions, protocol, binaryType, onopen, onmessage, onerror, onclose } = socket
  expect([readyState, bufferedAmount, extensions, protocol, binaryType]).toEqual([0, 0, '', '', 'blob'])
  expect([onopen, onmessage, onerror, onclose]).toEqual([null, null, null, null])
  expect(Object.keys(socket)).toEqual([])
})

test('values of binaryType that nobody knows are ignored', () => {
  const socket = new WebSocket(url)
  for (const value of ['arraybuffer', 'nodebuffer', '', 'Blob', null]) {
    socket.binaryType = value as BinaryType
    expect(socket.binaryType).toBe('arraybuffer')
  }
  socket.binaryType = 'blob'
  expect(socket.binaryType).toBe('blob')
})
