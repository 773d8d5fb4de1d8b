// graphql-ws, client and server as they come: a subscription of 300 events while every connection
// is cut again and again.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { GraphQLInt, GraphQLObjectType, GraphQLSchema, GraphQLString } from 'graphql'
import { createClient } from 'graphql-ws'
import { useServer } from 'graphql-ws/use/ws'
import { behind, Counted, wsServer } from './gateway.mjs'

const count = 300

const schema = new GraphQLSchema({
  query: new GraphQLObjectType({ name: 'Query', fields: { hello: { type: GraphQLString, resolve: () => 'hello' } } }),
  subscription: new GraphQLObjectType({
    name: 'Subscription',
    fields: {
      count: {
        type: GraphQLInt,
        async *subscribe() {
          for (let n = 1; n <= count; n++) {
            await new Promise((resolve) => setTimeout(resolve, 5))
            yield { count: n }
          }
        },
      },
    },
  }),
})

test('graphql-ws', { timeout: 60_000 }, async (t) => {
  const backend = await wsServer(t, { path: '/graphql', handleProtocols: () => 'graphql-transport-ws' })
  const reasons = []
  let connections = 0
  useServer(
    {
      schema,
      onConnect: () => {
        connections++
      },
      onClose: (_, code, reason) => {
        reasons.push([code, `${reason}`])
      },
    },
    backend,
  )
  const { url, cut, seen } = await behind(t, backend.address().port)
  const faults = []
  const client = createClient({
    url: `${url}/graphql`,
    webSocketImpl: Counted,
    retryAttempts: 0,
    lazy: false,
    onNonLazyError: (error) => faults.push(error),
    on: { closed: (event) => faults.push([event.code, event.reason]) },
  })
  const numbers = []
  await new Promise((resolve, reject) =>
    client.subscribe(
      { query: 'subscription { count }' },
      {
        next({ data }) {
          numbers.push(data.count)
          if (numbers.length % 50 === 25) cut()
        },
        error: reject,
        complete: resolve,
      },
    ),
  )
  assert.deepEqual(
    numbers,
    Array.from({ length: count }, (_, i) => i + 1),
  )
  const hello = await new Promise((resolve, reject) =>
    client.subscribe({ query: '{ hello }' }, { next: resolve, error: reject, complete() {} }),
  )
  assert.deepEqual(hello, { data: { hello: 'hello' } })
  assert.deepEqual([faults, connections, Counted.made], [[], 1, 1])
  t.diagnostic(`${seen.cuts} cuts, ${seen.broken} connections broken`)
  assert.ok(seen.cuts >= 6 && seen.broken >= 6)
  await client.dispose()
  while (reasons.length === 0) await new Promise(setImmediate)
  assert.deepEqual(reasons, [[1000, 'Normal Closure']])
})

test('graphql-ws: the server’s close code reaches the client', { timeout: 60_000 }, async (t) => {
  const backend = await wsServer(t, { path: '/graphql', handleProtocols: () => 'graphql-transport-ws' })
  useServer({ schema, onConnect: () => false }, backend)
  const { url } = await behind(t, backend.address().port)
  const closed = await new Promise((resolve) =>
    createClient({
      url: `${url}/graphql`,
      webSocketImpl: Counted,
      retryAttempts: 0,
      lazy: false,
      onNonLazyError() {},
      on: { closed: resolve },
    }),
  )
  assert.deepEqual([closed.code, closed.reason, closed.wasClean], [4403, 'Forbidden', true])
})
