//! Rule sets, worlds and flows for load tests, each made from a seed, with the answers that the
//! reference expects of them.
