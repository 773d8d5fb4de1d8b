// Package limitedlog logs what strangers can cause, at a limited rate: whoever sends many requests
// must not fill the disk of the operator, nor hide other lines.
//
// The limit counts lines of one message, whatever they name. A table of names already logged is no
// bound: a stranger makes names up faster than any table can hold.
package limitedlog

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

const (
	// Burst is how many lines of one message may come at once.
	Burst = 10
	// Every is the time after which one more may come.
	Every = time.Minute
)

// Logger limits a logger. Many goroutines may call its methods at the same time.
type Logger struct {
	to *slog.Logger

	mu    sync.Mutex
	kinds map[string]*kind // by message; messages are constants, so the table is bounded
}

// kind is what is known of one message.
type kind struct {
	full    time.Time // when all lines of the burst may be used again
	leftOut int       // lines since the last one
}

// New limits a logger.
func New(to *slog.Logger) *Logger { return &Logger{to: to, kinds: make(map[string]*kind)} }

// Warn logs a line at the level warn, or counts it: the next line of this message then has the
// number of those left out. It returns whether the line was logged. The message must be a constant.
func (l *Logger) Warn(message string, args ...any) bool {
	return l.log(slog.LevelWarn, Burst, message, args)
}

// Error is Warn at the level error.
func (l *Logger) Error(message string, args ...any) bool {
	return l.log(slog.LevelError, Burst, message, args)
}

// Minutely is Warn with a burst of one, for a state that lasts: one line says it.
func (l *Logger) Minutely(message string, args ...any) bool {
	return l.log(slog.LevelWarn, 1, message, args)
}

func (l *Logger) log(level slog.Level, burst int, message string, args []any) bool {
	leftOut, ok := l.take(message, burst, time.Now())
	if !ok {
		return false
	}
	if leftOut > 0 {
		args = append(args[:len(args):len(args)], "left_out", leftOut)
	}
	l.to.Log(context.Background(), level, message, args...)
	return true
}

// take uses one line of the message's burst.
func (l *Logger) take(message string, burst int, now time.Time) (leftOut int, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	k := l.kinds[message]
	if k == nil {
		k = &kind{full: now}
		l.kinds[message] = k
	}
	if k.full.Before(now) {
		k.full = now
	}
	if k.full.Sub(now) > time.Duration(burst-1)*Every {
		k.leftOut++
		return 0, false
	}
	k.full = k.full.Add(Every)
	leftOut, k.leftOut = k.leftOut, 0
	return leftOut, true
}
