using VmMigration.Engine.Runbooks;
using Xunit;

namespace VmMigration.Engine.Tests.Runbooks;

/// <summary>A small catalog of cmdlets and the frame of a runbook, for the tests of this folder.</summary>
internal static class RunbookSamples
{
    public static StepCatalog Catalog { get; } = new(
    [
        new StepCmdlet("New-Thing",
        [
            new() { Name = "Name", Type = StepParameterType.Text, IsMandatory = true, Aliases = ["VMName"] },
            new() { Name = "MemoryBytes", Type = StepParameterType.Integer },
            new() { Name = "Share", Type = StepParameterType.Number },
            new() { Name = "Program", Type = StepParameterType.Choice, Choices = ["Idle", "HotSetWriter"] },
            new() { Name = "Wait", Type = StepParameterType.Boolean },
            new() { Name = "Timeout", Type = StepParameterType.Duration },
            new() { Name = "Tags", Type = StepParameterType.Text, IsList = true },
            new() { Name = "Vm", Type = StepParameterType.Any },
        ]),
        new StepCmdlet("Get-Thing", [new() { Name = "Name", Type = StepParameterType.Text }]),
        new StepCmdlet("Remove-Thing", [new() { Name = "Name", Type = StepParameterType.Text }]),
    ]);

    /// <summary>Lines before the first of <see cref="Frame"/>'s body.</summary>
    public const int FrameLines = 3;

    /// <summary>A runbook with everything that must be there, and the body from line <see cref="FrameLines"/> + 1 on.</summary>
    public static string Frame(string body) => $"apiVersion: vm-migration/v1\nkind: MigrationRunbook\nmetadata: {{ name: sample }}\n{body}";

    /// <summary>Reads a body that must be valid.</summary>
    public static Runbook Read(string body)
    {
        RunbookReading reading = new RunbookReader(Catalog).Read(Frame(body), "sample.yaml");
        Assert.Empty(reading.Diagnostics);
        return reading.Runbook!;
    }
}
