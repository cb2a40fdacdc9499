//! Clocks, trials, figures, tables and plots of measurements. Knows nothing of what is measured.
