namespace VmMigration.Cmdlets.Tests.Hosting;

/// <summary>Runbooks for tests.</summary>
internal static class RunbookText
{
    /// <summary>A runbook of this body, complete with everything that must be there.</summary>
    public static TemporaryFile Frame(string body) =>
        new($"apiVersion: vm-migration/v1\nkind: MigrationRunbook\nmetadata: {{ name: test }}\n{body}");

    /// <summary>Moves a small VM between two hosts and closes them; every name ends in the suffix.</summary>
    public static TemporaryFile Migration(string suffix, string migrateWith = "VerifyMemory: true", string always = "") => Frame($$$"""
        parameters: { steps: { type: int, default: 2000 } }
        steps:
          - { id: hosts, run: New-MigrationHost, forEach: [a, b], throttle: 2, with: { Name: '${{ item }}-{{{suffix}}}' } }
          - id: vm
            run: New-MigrationVm
            with: { Name: vm-{{{suffix}}}, HostName: a-{{{suffix}}}, MemoryBytes: 16MiB, Program: HotSetWriter, StepsPerSecond: '${{ parameters.steps }}' }
          - { id: start, run: Start-MigrationVm, with: { Vm: '${{ steps.vm.output }}', PassThru: true } }
          - id: migrate
            run: Start-VmMigration
            if: ${{ steps.start.output.State == 'Running' }}
            with: { Vm: '${{ steps.start.output }}', DestinationHost: b-{{{suffix}}}, Wait: true, {{{migrateWith}}} }
          - { id: moved, run: Get-MigrationVm, with: { Vm: '${{ steps.vm.output }}' } }
        always:
        {{{always}}}
          - { id: close, run: Disconnect-MigrationHost, forEach: '${{ steps.hosts.output.Name }}', with: { Name: '${{ item }}', Force: true } }
        outputs: { host: '${{ steps.moved.output.HostName }}', verified: '${{ steps.migrate.output.Result.MemoryVerified }}' }
        """);
}
