namespace VmMigration.Engine.Migration;

/// <summary>What to do after a pass, the share of its time the guest is to keep, and how long its first writes are held back.</summary>
internal readonly record struct ConvergenceDecision(ConvergenceAction Action, double VcpuShare, TimeSpan FaultDelay);
