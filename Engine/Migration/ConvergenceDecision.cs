namespace VmMigration.Engine.Migration;

/// <summary>What to do after a pass, and the share of its time the guest is to keep.</summary>
internal readonly record struct ConvergenceDecision(ConvergenceAction Action, double VcpuShare);
