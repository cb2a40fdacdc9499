//! Sets a guest's network card up over netlink, from inside its namespace.

use std::fs;
use std::net::IpAddr;

use futures_util::TryStreamExt;
use rtnetlink::packet_route::address::{AddressAttribute, AddressFlags};
use rtnetlink::{Handle, LinkUnspec, RouteMessageBuilder, new_connection};

use crate::HostError;

/// An address with the length of its subnet's prefix.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NicAddress {
    /// Address.
    pub address: IpAddr,
    /// Prefix length of its subnet.
    pub prefix_len: u8,
}

/// What a guest's network card is to be like.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Nic {
    /// Name of the device.
    pub device: String,
    /// Its MAC address.
    pub mac: [u8; 6],
    /// Bytes of IP packet.
    pub mtu: u32,
    /// Addresses that the guest is given; none: it is left to find some itself.
    pub addresses: Vec<NicAddress>,
    /// Ways to elsewhere by this card.
    pub routes: Vec<NicRoute>,
}

/// A way to elsewhere.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NicRoute {
    /// Where to; the unspecified address with a prefix of no length is everywhere.
    pub target: NicAddress,
    /// By whom; of the target's family.
    pub gateway: IpAddr,
}

impl Nic {
    /// Sets the card up. The calling thread is in the guest's namespace.
    ///
    /// # Errors
    /// What the kernel refused.
    pub fn set_up(&self) -> Result<(), HostError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build();
        let runtime = runtime.map_err(|error| self.refused("netlink", &error))?;
        self.choose_ipv6()?;
        runtime.block_on(async {
            let (connection, handle, _) =
                new_connection().map_err(|error| self.refused("netlink", &error))?;
            let connection = tokio::spawn(connection);
            let done = self.configure(&handle).await;
            connection.abort();
            done
        })
    }

    /// The kernel is not to find addresses of its own beside those that were given.
    fn choose_ipv6(&self) -> Result<(), HostError> {
        if self.addresses.is_empty() {
            return Ok(());
        }
        let has_ipv6 = self.addresses.iter().any(|it| it.address.is_ipv6());
        let settings: &[(&str, &str)] = match has_ipv6 {
            true => &[("accept_ra", "0"), ("addr_gen_mode", "1")],
            false => &[("disable_ipv6", "1")],
        };
        for (setting, value) in settings {
            let path = format!("/proc/sys/net/ipv6/conf/{}/{setting}", self.device);
            match fs::write(&path, value) {
                Ok(()) => {}
                // a kernel without IPv6 finds no addresses
                Err(error) if error.kind() == std::io::ErrorKind::NotFound && !has_ipv6 => {}
                Err(error) => return Err(HostError::file("cannot set", path, error)),
            }
        }
        Ok(())
    }

    async fn configure(&self, handle: &Handle) -> Result<(), HostError> {
        let loopback =
            index_of(handle, "lo").await.map_err(|error| self.refused("loopback", &error))?;
        let up = LinkUnspec::new_with_index(loopback).up().build();
        handle
            .link()
            .change(up)
            .execute()
            .await
            .map_err(|error| self.refused("loopback", &error))?;

        let index = index_of(handle, &self.device).await;
        let index = index.map_err(|error| self.refused("find it", &error))?;
        let wanted =
            LinkUnspec::new_with_index(index).address(self.mac.to_vec()).mtu(self.mtu).up().build();
        let changed = handle.link().change(wanted).execute().await;
        changed.map_err(|error| self.refused("MAC address, MTU, up", &error))?;
        for NicAddress { address, prefix_len } in &self.addresses {
            let mut request = handle.address().add(index, *address, *prefix_len);
            if address.is_ipv6() {
                // the fabric sees to it that it is nobody else's
                let flags = AddressAttribute::Flags(AddressFlags::Nodad);
                request.message_mut().attributes.push(flags);
            }
            request.execute().await.map_err(|error| self.refused("address", &error))?;
        }
        for route in &self.routes {
            let NicRoute { target: NicAddress { address, prefix_len }, gateway } = *route;
            let wanted = RouteMessageBuilder::<IpAddr>::new()
                .destination_prefix(address, prefix_len)
                .and_then(|route| route.gateway(gateway))
                .map_err(|error| self.refused("route", &error))?;
            let wanted = wanted.output_interface(index).onlink().build();
            let added = handle.route().add(wanted).execute().await;
            added.map_err(|error| self.refused("route", &error))?;
        }
        Ok(())
    }

    fn refused(&self, what: &'static str, error: &dyn std::fmt::Display) -> HostError {
        HostError::Device { device: self.device.clone(), what, error: error.to_string() }
    }
}

async fn index_of(handle: &Handle, device: &str) -> Result<u32, String> {
    let mut links = handle.link().get().match_name(device.to_owned()).execute();
    match links.try_next().await {
        Ok(Some(link)) => Ok(link.header.index),
        Ok(None) => Err("there is no such device".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}
