//! The live world: a fabric is brought up in one process, and other commands find it by what it says of
//! itself.

#[cfg(target_os = "linux")]
mod exec;
#[cfg(target_os = "linux")]
mod fabrics;
#[cfg(target_os = "linux")]
mod guests;
#[cfg(target_os = "linux")]
mod up;

#[cfg(target_os = "linux")]
pub(crate) use exec::exec;
#[cfg(target_os = "linux")]
pub(crate) use fabrics::{clean, down, ps};
#[cfg(target_os = "linux")]
pub(crate) use up::up;

#[cfg(not(target_os = "linux"))]
pub(crate) use elsewhere::{clean, down, exec, ps, up};

#[cfg(target_os = "linux")]
impl From<ringfence_host::HostError> for crate::outcome::Failure {
    fn from(error: ringfence_host::HostError) -> Self {
        use crate::outcome::Failure;
        use ringfence_host::HostError;
        match error {
            HostError::Missing(what) => Failure::Missing(what),
            HostError::Taken(..) => Failure::Usage(error.to_string()),
            _ => Failure::Runtime(error.to_string()),
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod elsewhere {
    use crate::cli::live::{ExecArgs, FabricArgs, UpArgs};
    use crate::outcome::{Failure, Outcome};
    use crate::output::Output;

    fn missing() -> Result<Outcome, Failure> {
        Err(Failure::Missing("network namespaces and TAP devices are Linux's".to_owned()))
    }

    pub(crate) fn up(_: &UpArgs, _: &Output) -> Result<Outcome, Failure> {
        missing()
    }

    pub(crate) fn exec(_: &ExecArgs) -> Result<Outcome, Failure> {
        missing()
    }

    pub(crate) fn ps(_: &Output) -> Result<Outcome, Failure> {
        missing()
    }

    pub(crate) fn down(_: &FabricArgs, _: &Output) -> Result<Outcome, Failure> {
        missing()
    }

    pub(crate) fn clean(_: &FabricArgs, _: &Output) -> Result<Outcome, Failure> {
        missing()
    }
}
