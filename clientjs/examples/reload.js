import { connect } from 'holdfast'
import { reloadStore } from 'holdfast/reload'

const store = await reloadStore('chat') // a name for each session of the page
const session = connect('/holdfast', { store })
session.on('message', ({ data }) => show(data))
session.on('unstored', ({ reason }) => console.warn('a reload will begin a new session:', reason))
if (store.restored) show('welcome back')
else session.send('hello')

function show(text) {
  document.body.append(Object.assign(document.createElement('p'), { textContent: text }))
}
