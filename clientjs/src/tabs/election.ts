// Which tab leads: the one that has the Web Lock, as long as it answers. A tab that is frozen,
// discarded or in a debugger keeps its locks, so that a lock is no sign of life.

/** How often a tab asks whoever leads, in ms, and how many answers it waits for. */
const interval = 1e3
const patience = 3

/** What an election needs of the tab it is in. */
export interface Candidate {
  /** This tab leads from now on, or no longer does. */
  lead(): void
  follow(): void
  /** Asks the tab that leads for a sign of life. */
  ask(): void
  /** It is no longer frozen: there may be news. */
  resume(): void
}

export class Election {
  private readonly locks: LockManager
  private readonly lock: string
  private readonly tab: Candidate
  /** The place in the queue of those that would lead. */
  private turn = new AbortController()
  private release: (() => void) | undefined
  /** Signs of life that were asked for in vain, and how many may be. */
  private unanswered = 0
  private most = patience
  private stopped = false
  /** The page is frozen: some of its tasks run nonetheless, and none may begin what it cannot end. */
  frozen = false
  private readonly timer: ReturnType<typeof setInterval>

  constructor(locks: LockManager, lock: string, tab: Candidate) {
    this.locks = locks
    this.lock = lock
    this.tab = tab
    this.timer = setInterval(() => this.beat(), interval)
    this.watch('addEventListener')
    this.stand(false)
  }

  private watch(how: 'addEventListener' | 'removeEventListener'): void {
    globalThis.document?.[how]?.('freeze', this.freeze)
    globalThis.document?.[how]?.('resume', this.thaw)
  }

  /** Where the platform says that it freezes the page, another tab leads at once. */
  private readonly freeze = (): void => {
    this.frozen = true
    this.turn.abort()
    if (!this.release) return
    this.tab.follow()
    this.release()
    this.release = undefined
  }

  private readonly thaw = (): void => {
    this.frozen = false
    this.unanswered = 0
    this.stand(false)
    this.tab.resume()
  }

  /** The tab that leads has answered. */
  answered(): void {
    this.unanswered = 0
    this.most = patience
  }

  /** Lets another tab lead. */
  stop(): void {
    this.stopped = true
    clearInterval(this.timer)
    this.watch('removeEventListener')
    this.turn.abort()
    this.release?.()
  }

  /**
   * Leads once the lock is granted, and waits for it again when another tab has taken it away. That
   * one leads then, and what this one still writes is not accepted (see Meta.term).
   */
  private stand(steal: boolean): void {
    this.turn.abort()
    const turn = (this.turn = new AbortController())
    const granted = () => {
      if (this.stopped) return
      const held = new Promise<void>((release) => (this.release = release))
      this.tab.lead()
      return held
    }
    this.locks.request(this.lock, steal ? { steal } : { signal: turn.signal }, granted).catch(() => {
      if (turn !== this.turn || this.stopped || this.frozen) return
      this.release = undefined
      this.tab.follow()
      this.stand(false)
    })
  }

  /**
   * Answers are counted and not timed: the timers of this tab may be late too. Where no answer ever
   * comes, tabs take turns ever more slowly.
   */
  private beat(): void {
    if (this.release || this.frozen) this.unanswered = 0
    else if (this.unanswered++ < this.most) this.tab.ask()
    else {
      this.unanswered = 0
      this.most *= 2
      this.stand(true)
    }
  }
}
