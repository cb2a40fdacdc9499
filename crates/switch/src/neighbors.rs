//! ARP and ND, answered by the fabric.
