import { share } from 'holdfast/tabs'

const session = share('/holdfast', { name: 'chat' })
session.on('message', ({ data }) => show(data)) // in every tab
session.on('transport', ({ transport }) => {
  document.title = `${transport}, carried by ${session.leads ? 'this tab' : 'another'}`
})
const number = await session.send('hello') // kept now, even if this tab is closed
show(`sent as ${number}`)

function show(text) {
  document.body.append(Object.assign(document.createElement('p'), { textContent: text }))
}
