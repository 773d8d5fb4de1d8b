package session

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-rt/holdfast/transport"
)

// TestOnCloseComesLast: whoever takes messages with Receive has them all before OnClose is called.
func TestOnCloseComesLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := context.Background()
		c, _ := pair(RegistryConfig{OnSession: func(s *Session) {
			for i := range 3 {
				_, _ = s.Send(ctx, Text(fmt.Sprint(i)))
			}
			_ = s.EndWith(transport.CodeDraining, "")
		}})
		ends := make(chan End, 1)
		c.OnClose(func(e End) { ends <- e })
		<-c.Done() // the server does not wait for ever
		synctest.Wait()
		for i := range 3 {
			if len(ends) > 0 {
				t.Fatalf("OnClose was called before message %d was received", i)
			}
			if m, err := c.Receive(ctx); err != nil || string(m.Data) != fmt.Sprint(i) {
				t.Fatalf("message %d: %q, %v", i, m.Data, err)
			}
			synctest.Wait()
		}
		if e := <-ends; e.Code != transport.CodeDraining {
			t.Errorf("ended with %d", e.Code)
		}
		time.Sleep(time.Minute)
	})
}
