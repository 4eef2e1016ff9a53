package main

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"private-ec2-access/tools/buildtarget"
)

// watchMemory keeps the highest memory of the program's processes, where the system has it in /proc. The program is a
// grandchild of pulumi, so no exit status tells it.
func (b *bench) watchMemory(ctx context.Context) {
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			b.memory.Store(max(b.memory.Load(), highestMemory(filepath.Join(b.root, buildtarget.Path))))
		}
	}
}

// highestMemory is the most bytes that a running process of the program has used so far.
func highestMemory(program string) int64 {
	links, _ := filepath.Glob("/proc/[0-9]*/exe")
	var highest int64
	for _, link := range links {
		if target, err := os.Readlink(link); err != nil || target != program {
			continue
		}
		status, _ := os.ReadFile(filepath.Join(filepath.Dir(link), "status"))
		for line := range strings.Lines(string(status)) {
			if value, ok := strings.CutPrefix(line, "VmHWM:"); ok {
				kilobytes, _ := strconv.ParseInt(strings.Fields(value)[0], 10, 64)
				highest = max(highest, kilobytes<<10)
			}
		}
	}
	return highest
}
