package main

import (
	"testing"
	"time"
)

func TestNumbers(t *testing.T) {
	t.Parallel()
	tests := []struct {
		level numbers
		n     int64
		want  string
	}{
		{0, 1234567, "1234567"},
		{1, 0, "0"},
		{1, 999, "999"},
		{1, 1000, "1,000"},
		{1, 1234567, "1,234,567"},
		{1, -1234, "-1,234"},
		{2, 999, "999"},
		{2, 1000, "1.00K"},
		{2, 1234567, "1.23M"},
		{2, 999_999_999_999_999_999, "1000.00P"},
		{3, 1023, "1,023"},
		{3, 1024, "1.00K"},
		{3, 5 << 30, "5.00G"},
	}
	for _, tt := range tests {
		if got := tt.level.size(tt.n); got != tt.want {
			t.Errorf("level %d: %d is %q, want %q", tt.level, tt.n, got, tt.want)
		}
	}
	if got := numbers(3).count(123456); got != "123,456" {
		t.Errorf("count = %q", got)
	}
}

func TestNumbersFraction(t *testing.T) {
	t.Parallel()
	tests := []struct {
		level numbers
		v     float64
		want  string
	}{
		{0, 12345.678, "12345.68"},
		{1, 756, "756.00"},
		{1, 12345.678, "12,345.68"},
		{2, 12345.678, "12.35K"},
		{3, 0.5, "0.50"},
	}
	for _, tt := range tests {
		if got := tt.level.fraction(tt.v, 2); got != tt.want {
			t.Errorf("level %d: %v is %q, want %q", tt.level, tt.v, got, tt.want)
		}
	}
}

func TestBytesIECAndClock(t *testing.T) {
	t.Parallel()
	for n, want := range map[int64]string{0: "0 B", 1023: "1023 B", 1024: "1.0 KiB", 13_314_398_617: "12.4 GiB"} {
		if got := bytesIEC(n); got != want {
			t.Errorf("bytesIEC(%d) = %q, want %q", n, got, want)
		}
	}
	for d, want := range map[time.Duration]string{7 * time.Second: "0:07", 161 * time.Second: "2:41", 3761 * time.Second: "1:02:41"} {
		if got := clock(d); got != want {
			t.Errorf("clock(%v) = %q, want %q", d, got, want)
		}
	}
}
