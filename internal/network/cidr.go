// Package network plans address ranges and judges routes. It knows nothing of
// a cloud's state; it works on what it is told.
package network

import (
	"fmt"
	"math/bits"
	"net/netip"
)

// The sizes that a VPC and a subnet may have
// (https://docs.aws.amazon.com/vpc/latest/userguide/vpc-cidr-blocks.html).
const (
	LargestPrefix  = 16
	SmallestPrefix = 28
)

// Subnets cuts a VPC's IPv4 range into the given number of equal subnets, as
// large as they can be, but none larger than a /24: an isolated network has no
// use for more, and what is left over stays free for the user's own subnets.
func Subnets(vpc string, count int) ([]string, error) {
	block, err := netip.ParsePrefix(vpc)
	switch {
	case err != nil:
		return nil, fmt.Errorf("not an IPv4 range in CIDR notation")
	case !block.Addr().Is4():
		return nil, fmt.Errorf("not an IPv4 range")
	case block.Bits() < LargestPrefix || block.Bits() > SmallestPrefix:
		return nil, fmt.Errorf("a VPC must be between /%d and /%d", LargestPrefix, SmallestPrefix)
	case block.Masked() != block:
		return nil, fmt.Errorf("it has host bits set; the CIDR block is %s", block.Masked())
	case count < 1:
		return nil, fmt.Errorf("it is to be cut into %d subnets", count)
	}
	size := max(block.Bits()+bits.Len(uint(count-1)), 24)
	if size > SmallestPrefix {
		return nil, fmt.Errorf("too small for %d subnets of at least /%d each", count, SmallestPrefix)
	}
	subnets := make([]string, count)
	for i := range subnets {
		subnets[i] = netip.PrefixFrom(nth(block.Addr(), i<<(32-size)), size).String()
	}
	return subnets, nil
}

func nth(addr netip.Addr, offset int) netip.Addr {
	b := addr.As4()
	n := uint32(b[0])<<24 | uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3])
	n += uint32(offset)
	return netip.AddrFrom4([4]byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)})
}
