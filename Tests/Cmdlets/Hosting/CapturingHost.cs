using System.Globalization;
using System.Management.Automation.Host;

namespace VmMigration.Cmdlets.Tests.Hosting;

/// <summary>A PowerShell host that keeps what would be shown, 100 columns wide, and answers prompts as told.</summary>
public sealed class CapturingHost : PSHost
{
    public const int Columns = 100;

    private readonly CapturingUserInterface userInterface = new();

    public CapturingUserInterface Screen => userInterface;

    public override CultureInfo CurrentCulture => CultureInfo.InvariantCulture;

    public override CultureInfo CurrentUICulture => CultureInfo.InvariantCulture;

    public override Guid InstanceId { get; } = Guid.NewGuid();

    public override string Name => nameof(CapturingHost);

    public override PSHostUserInterface UI => userInterface;

    public override Version Version { get; } = new(1, 0);

    public override void EnterNestedPrompt() => throw new NotSupportedException();

    public override void ExitNestedPrompt() => throw new NotSupportedException();

    public override void NotifyBeginApplication()
    {
    }

    public override void NotifyEndApplication()
    {
    }

    public override void SetShouldExit(int exitCode) => throw new NotSupportedException();
}
