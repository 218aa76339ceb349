package sshconn

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/crypto/ssh/agent"
)

// NeedsCommand says what the configuration asks for that this client cannot do and the ssh program can, or "". It may
// ask the agent for its keys.
func NeedsCommand(ctx context.Context, r *Resolved) (reason string) {
	needs := r.needs
	if key := r.securityKeyFile(ctx); key != "" {
		needs = append(needs[:len(needs):len(needs)], fmt.Sprintf("the security key of %s, which no agent holds", key))
	}
	return strings.Join(needs, ", ")
}

// securityKeyFile names an identity file that needs a device, unless the agent holds its key.
func (r *Resolved) securityKeyFile(ctx context.Context) string {
	for _, path := range r.IdentityFiles {
		info, err := os.Stat(path)
		if err != nil || !info.Mode().IsRegular() || readableByOthers(info) {
			continue
		}
		data, err := readLimited(path, maxKeyFile)
		if err != nil {
			continue
		}
		pub := statedPublic(data)
		if pub == nil || !isSecurityKey(pub) {
			continue
		}
		if !r.agentHolds(ctx, pub.Marshal()) {
			return path
		}
	}
	return ""
}

func (r *Resolved) agentHolds(ctx context.Context, blob []byte) bool {
	conn, err := dialAgent(ctx, r.IdentityAgent)
	if err != nil || conn == nil {
		return false
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(agentTimeout)); err != nil {
		return false
	}
	keys, err := agent.NewClient(conn).List()
	if err != nil {
		return false
	}
	for _, k := range keys {
		if string(k.Blob) == string(blob) {
			return true
		}
	}
	return false
}
