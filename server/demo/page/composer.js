// The form for messages and for pictures, which can be chosen, pasted or dropped.

import { size } from './text.js'

const maxPicture = 900e3 // bytes; a message may have 1 MiB
const maxEdge = 1600 // pixels of the longer side of a picture that must be made smaller

export class Composer {
  #note
  #hint

  /** `submit({ text })` or `submit({ name, type, bytes })` returns the text of an error, or ''. */
  constructor(form, submit) {
    const text = form.querySelector('textarea')
    const file = form.querySelector('input[type=file]')
    const area = form.parentElement
    this.#note = form.querySelector('.note')
    this.#hint = this.#note.textContent

    form.addEventListener('submit', (event) => {
      event.preventDefault()
      if (!text.value.trim()) return this.#say('There is nothing to send yet.')
      if (this.#say(submit({ text: text.value.trim() }))) return
      text.value = ''
      fit(text)
    })
    text.addEventListener('keydown', (event) => {
      if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return
      event.preventDefault()
      form.requestSubmit()
    })
    text.addEventListener('input', () => fit(text))
    const pictures = async (files) => {
      for (const one of files) this.#say(await this.#picture(one, submit))
    }
    file.addEventListener('change', async () => {
      await pictures([...file.files])
      file.value = ''
    })
    text.addEventListener('paste', (event) => {
      const files = [...event.clipboardData.files]
      if (!files.length) return
      event.preventDefault()
      pictures(files)
    })
    area.addEventListener('dragover', (event) => {
      if (![...event.dataTransfer.types].includes('Files')) return
      event.preventDefault()
      area.classList.add('drop')
    })
    area.addEventListener('dragleave', (event) => {
      if (!area.contains(event.relatedTarget)) area.classList.remove('drop')
    })
    area.addEventListener('drop', (event) => {
      event.preventDefault()
      area.classList.remove('drop')
      pictures([...event.dataTransfer.files])
    })
  }

  /** Shows an error below the field; '' brings back the hint. Returns whether there is an error. */
  #say(error) {
    this.#note.textContent = error || this.#hint
    this.#note.classList.toggle('error', !!error)
    return !!error
  }

  async #picture(file, submit) {
    if (!file.type.startsWith('image/')) return `${file.name} is no picture.`
    try {
      const blob = file.size > maxPicture ? await smaller(file) : file
      if (blob.size > maxPicture)
        return `${file.name} is still ${size(blob.size)} when made smaller; a message has room for ${size(maxPicture)}.`
      return submit({ name: file.name, type: blob.type, bytes: new Uint8Array(await blob.arrayBuffer()) })
    } catch {
      return `${file.name} has ${size(file.size)} and could not be made smaller.`
    }
  }
}

/** A large picture as a smaller JPEG. */
async function smaller(file) {
  const bitmap = await createImageBitmap(file)
  const scale = Math.min(1, maxEdge / Math.max(bitmap.width, bitmap.height))
  const canvas = document.createElement('canvas')
  canvas.width = Math.max(1, Math.round(bitmap.width * scale))
  canvas.height = Math.max(1, Math.round(bitmap.height * scale))
  canvas.getContext('2d').drawImage(bitmap, 0, 0, canvas.width, canvas.height)
  bitmap.close()
  return new Promise((resolve, reject) => {
    canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new Error('no picture'))), 'image/jpeg', 0.85)
  })
}

/** Lets the field grow with its text, up to the limit in the style sheet. */
function fit(text) {
  text.style.height = 'auto'
  text.style.height = `${text.scrollHeight + 2}px`
}
